#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <string>

#include "cache/types.hpp"

namespace anteroom::cache {

/// Ratio of misses to requests that a policy has in a trace with room for `capacity` entries (COHERENCE.md D.1).
/// Computed by a simulator whose LRU gives the published numbers of the trace OLTP to four digits.
struct ExpectedMisses {
  const char* trace;
  std::size_t capacity;
  double lru;
  double s3fifo;
};

inline constexpr std::array<ExpectedMisses, 4> kExpectedMisses{{{"orm-busy", 763, .2297, .2316},
                                                                {"orm-busy", 7634, .1199, .1130},
                                                                {"web07", 2048, .4434, .4160},
                                                                {"web12", 1375, .3152, .2808}}};

/// As a test's name.
inline std::string name_of_expected_misses(const ::testing::TestParamInfo<ExpectedMisses>& info) {
  std::string name = info.param.trace;
  std::erase(name, '-');
  return name + "_" + std::to_string(info.param.capacity);
}

/// LRU leaves nothing open but the rounding; S3-FIFO does, such as how exactly ghosts are forgotten.
inline void expect_misses(const ExpectedMisses& expected, Policy policy, std::size_t misses, std::size_t requests) {
  const double ratio = static_cast<double>(misses) / static_cast<double>(requests);
  ::testing::Test::RecordProperty(policy == Policy::kLru ? "lru" : "s3fifo", std::to_string(ratio));
  if (policy == Policy::kLru) {
    EXPECT_NEAR(ratio, expected.lru, .002) << "LRU";
  } else {
    EXPECT_NEAR(ratio, expected.s3fifo, .005) << "S3-FIFO";
  }
}

}  // namespace anteroom::cache
