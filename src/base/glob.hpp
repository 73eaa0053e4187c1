#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anteroom::base {

/// Whether `pattern` matches all of `text`, byte by byte and with regard to case, as KEYS and SCAN of Redis 7.0 have it
/// (stringmatchlen): `*`, `?`, `[abc]`, `[^a]`, `[a-z]`, and a backslash before what is meant literally. Any bytes may
/// be in both. Takes at most the time of the product of both sizes, whatever the pattern. Pure.
[[nodiscard]] bool glob_matches(std::string_view pattern, std::string_view text) noexcept;

/// Patterns of which one is enough. Immutable, so every thread may ask it.
class GlobList {
 public:
  GlobList() = default;
  explicit GlobList(std::vector<std::string> patterns) noexcept;

  /// Whether any pattern matches all of `text`; an empty list matches nothing.
  [[nodiscard]] bool matches(std::string_view text) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return patterns_.empty(); }

 private:
  std::vector<std::string> patterns_;
};

}  // namespace anteroom::base
