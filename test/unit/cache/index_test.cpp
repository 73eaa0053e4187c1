#include "cache/index.hpp"

#include <gtest/gtest.h>

#include <string>

namespace anteroom::cache {
namespace {

using index_detail::same_bytes;

TEST(SameBytes, EveryByteOfAnyLengthCounts) {
  for (std::size_t size = 0; size <= 40; ++size) {
    const std::string name(size, 'a');
    EXPECT_TRUE(same_bytes(name, std::string(size, 'a'))) << size;
    for (std::size_t at = 0; at < size; ++at) {
      std::string other = name;
      other[at] = 'b';
      EXPECT_FALSE(same_bytes(name, other)) << size << '/' << at;
    }
  }
}

TEST(SameBytes, BeginningIsNotTheWhole) {
  const std::string name(20, 'a');
  for (std::size_t size = 0; size < name.size(); ++size) EXPECT_FALSE(same_bytes(name, name.substr(0, size))) << size;
}

}  // namespace
}  // namespace anteroom::cache
