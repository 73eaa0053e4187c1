#include "support/key_space.hpp"

#include <algorithm>
#include <charconv>

namespace anteroom::test {
namespace {

// Longer than all delays of a busy machine behind the faults that hold things up on purpose.
constexpr Instant kDoubtMargin = 1'000 * kMillisecond;

std::size_t padding_bytes(Version version) {
  constexpr Version kLongEvery = 61;
  constexpr std::size_t kLongBytes = 20'000;
  return version % kLongEvery == 0 ? kLongBytes : version % 97;
}

}  // namespace

ZipfNumbers::ZipfNumbers(std::size_t count) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) weight_up_to_.push_back(sum += 1.0 / static_cast<double>(i + 1));
}

std::size_t ZipfNumbers::draw(Random& random) const {
  std::uniform_real_distribution<double> any{0, weight_up_to_.back()};
  const auto found = std::ranges::upper_bound(weight_up_to_, any(random));
  return std::min(static_cast<std::size_t>(found - weight_up_to_.begin()), weight_up_to_.size() - 1);
}

KeySpace::KeySpace(const Options& options)
    : popularity_(options.single_keys + options.groups * options.keys_per_group) {
  const auto add_group = [this](const std::string& prefix, std::size_t keys) {
    Group& group = groups_.emplace_back();
    for (std::size_t i = 0; i < keys; ++i) {
      group.keys.push_back(static_cast<std::uint16_t>(names_.size()));
      group_of_key_.push_back(static_cast<std::uint16_t>(groups_.size() - 1));
      names_.push_back(prefix + "." + std::to_string(i));
    }
  };
  for (std::size_t i = 0; i < options.groups; ++i) add_group("group" + std::to_string(i), options.keys_per_group);
  for (std::size_t i = 0; i < options.single_keys; ++i) add_group("key" + std::to_string(i), 1);
  for (std::uint16_t key = 0; key < names_.size(); ++key) by_popularity_.push_back(key);
  Random fixed{1};  // groups shall be among the popular keys and among the others
  std::ranges::shuffle(by_popularity_, fixed);
}

std::uint16_t KeySpace::draw_key(Random& random) const { return by_popularity_[popularity_.draw(random)]; }

void KeySpace::expect_delays_until(Instant time) {
  Instant known = delays_until_;
  while (known < time && !delays_until_.compare_exchange_weak(known, time)) {
  }
}

Instant KeySpace::doubt_ends() const { return std::max(now(), delays_until_.load()) + kDoubtMargin; }

std::string value_text(std::string_view key, Version version) {
  std::string text{key};
  text.append(":").append(std::to_string(version)).append(":");
  return text.append(padding_bytes(version), static_cast<char>('a' + version % 26));
}

std::optional<Version> version_in(std::string_view value, std::string_view key) {
  if (!value.starts_with(key) || value.size() < key.size() + 3 || value[key.size()] != ':') return std::nullopt;
  const std::string_view rest = value.substr(key.size() + 1);
  Version version = kNoVersion;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), version);
  if (error != std::errc{} || version == kNoVersion || value != value_text(key, version)) return std::nullopt;
  return version;
}

}  // namespace anteroom::test
