#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace anteroom::kv_load {

/// How keys are spelled: a prefix and the key's number, with zeros before it so that all are equally long. A value.
struct KeyFormat {
  std::string prefix;
  std::size_t width = 1;  ///< digits of the largest number

  /// Of numbers below `keys`, which is not 0.
  static KeyFormat of(std::string prefix, std::uint32_t keys) {
    return {.prefix = std::move(prefix), .width = std::to_string(keys - 1).size()};
  }
  [[nodiscard]] std::size_t bytes() const { return prefix.size() + width; }
  /// Writes the last `width` digits of `number` over what is at `to`, with no end.
  void put_digits(char* to, std::uint32_t number) const {
    for (std::size_t i = width; i-- > 0; number /= 10) to[i] = static_cast<char>('0' + number % 10);
  }
};

/// What is drawn.
struct DrawOptions {
  std::uint32_t keys = 1;  ///< below 2^31
  bool is_zipf = false;    ///< or uniform
  double zipf_exponent = 0.99;
  double sets_percent = 0;
  std::uint64_t seed = 1;
};

/// Key numbers drawn beforehand, so that one costs no more than an element of an array. They come round again after
/// 2^20 of them or four times as many as there are keys (at most 2^24: 64 MB). Of one thread; owns its numbers.
class Draws {
 public:
  /// Which keys of a Zipf distribution are the frequent ones does not depend on the seed: several loads with seeds of
  /// their own share them. They are not neighbours.
  explicit Draws(const DrawOptions& options) {
    constexpr std::uint64_t kFewest = 1U << 20U;
    constexpr std::uint64_t kMost = 1U << 24U;
    drawn_.resize(std::bit_ceil(std::clamp(std::uint64_t{4} * options.keys, kFewest, kMost)));
    std::mt19937_64 random(options.seed);
    if (options.is_zipf) {
      draw_zipf(options, random);
    } else {
      std::uniform_int_distribution<std::uint32_t> any(0, options.keys - 1);
      for (std::uint32_t& draw : drawn_) draw = any(random);
    }
    std::bernoulli_distribution is_set(options.sets_percent / 100);
    for (std::uint32_t& draw : drawn_) {
      if (is_set(random)) draw |= kSetBit;
    }
  }

  [[nodiscard]] std::size_t size() const { return drawn_.size(); }
  /// Whether the request that takes the next key is a SET.
  [[nodiscard]] bool is_set_next() const { return (drawn_[at_] & kSetBit) != 0; }
  std::uint32_t next() {
    const std::uint32_t key = drawn_[at_] & ~kSetBit;
    at_ = (at_ + 1) & (drawn_.size() - 1);
    return key;
  }

 private:
  static constexpr std::uint32_t kSetBit = 1U << 31U;

  // The key of rank r (from 1) has the weight r^-exponent; a draw is looked up in the sums of the weights.
  void draw_zipf(const DrawOptions& options, std::mt19937_64& random) {
    std::vector<double> sums(options.keys);
    double sum = 0;
    for (std::size_t rank = 0; rank < sums.size(); ++rank) {
      sum += std::pow(static_cast<double>(rank + 1), -options.zipf_exponent);
      sums[rank] = sum;
    }
    std::vector<std::uint32_t> key_of_rank(options.keys);
    std::iota(key_of_rank.begin(), key_of_rank.end(), 0U);
    constexpr std::uint64_t kSameForEverySeed = 0x9e3779b97f4a7c15;
    std::shuffle(key_of_rank.begin(), key_of_rank.end(), std::mt19937_64(kSameForEverySeed));
    std::uniform_real_distribution<double> any(0, sum);
    for (std::uint32_t& draw : drawn_) {
      const auto found = std::upper_bound(sums.begin(), sums.end() - 1, any(random));
      draw = key_of_rank[static_cast<std::size_t>(found - sums.begin())];
    }
  }

  std::vector<std::uint32_t> drawn_;
  std::size_t at_ = 0;
};

}  // namespace anteroom::kv_load
