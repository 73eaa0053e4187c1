#include "cache/ghost_table.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace anteroom::cache {

GhostTable::GhostTable(std::size_t capacity) : lines_(std::max<std::size_t>(1, (capacity + kWays - 1) / kWays)) {
  ANTEROOM_CHECK(lines_.size() <= UINT32_MAX);
}

void GhostTable::insert(std::uint32_t fingerprint) noexcept {
  auto& line = line_of(stored(fingerprint)).fingerprints;
  std::shift_right(line.begin(), line.end(), 1);
  line.front() = stored(fingerprint);
}

bool GhostTable::remove(std::uint32_t fingerprint) noexcept {
  auto& line = line_of(stored(fingerprint)).fingerprints;
  const auto found = std::ranges::find(line, stored(fingerprint));
  if (found == line.end()) return false;
  std::shift_left(found, line.end(), 1);
  line.back() = 0;
  return true;
}

}  // namespace anteroom::cache
