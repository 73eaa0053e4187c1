#pragma once

namespace anteroom::app {

/// Reads a password from standard input, without the newline at its end, and prints its SHA-256 in the form that access
/// rules have it behind '#'. Returns the exit status: 2 when there is no password or what comes is too long for one.
[[nodiscard]] int run_hash_password();

}  // namespace anteroom::app
