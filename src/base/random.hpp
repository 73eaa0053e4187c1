#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace anteroom::base {

/// Fills `out` from the kernel's random source (getrandom(2)). Thread-safe. Aborts if there is none: guessable secrets
/// would be worse than no start.
void fill_random(std::span<std::byte> out) noexcept;

/// 64 such bits: seeds for jitter and for hashing. A system call each; not for the request path.
[[nodiscard]] std::uint64_t random_seed() noexcept;

}  // namespace anteroom::base
