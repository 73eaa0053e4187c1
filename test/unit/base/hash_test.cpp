#include "base/hash.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

namespace anteroom::base {
namespace {

TEST(HashSeed, FixedIsReproducibleAndDependsOnItsNumber) {
  EXPECT_EQ(HashSeed::fixed(1).secrets, HashSeed::fixed(1).secrets);
  EXPECT_NE(HashSeed::fixed(1).secrets, HashSeed::fixed(2).secrets);
}

TEST(HashSeed, RandomDiffersEachTime) { EXPECT_NE(HashSeed::random().secrets, HashSeed::random().secrets); }

TEST(Hash64, SameBytesAndSeedGiveTheSameHashWhereverTheyLie) {
  const HashSeed seed = HashSeed::fixed(7);
  const std::string bytes = "user:00000000000001:profile";
  for (std::size_t offset = 0; offset < 16; ++offset) {
    const std::string moved = std::string(offset, 'x') + bytes;
    EXPECT_EQ(hash64(seed, bytes), hash64(seed, std::string_view(moved).substr(offset)));
  }
}

TEST(Hash64, AnotherSeedGivesAnotherHash) {
  const std::set<std::uint64_t> hashes = {hash64(HashSeed::fixed(1), "k"), hash64(HashSeed::fixed(2), "k"),
                                          hash64(HashSeed::random(), "k")};
  EXPECT_EQ(hashes.size(), 3u);
}

TEST(Hash64, EachSecretMatters) {
  const std::string long_key(40, 'k');
  const HashSeed seed = HashSeed::fixed(3);
  for (std::size_t i = 0; i < seed.secrets.size(); ++i) {
    HashSeed other = seed;
    other.secrets[i] ^= 1;
    EXPECT_NE(hash64(seed, long_key), hash64(other, long_key)) << "secret " << i;
  }
}

TEST(Hash64, LengthMattersEvenWhereAllBytesAreEqual) {
  std::unordered_set<std::uint64_t> hashes;
  for (std::size_t size = 0; size <= 300; ++size) hashes.insert(hash64(HashSeed::fixed(1), std::string(size, '\0')));
  EXPECT_EQ(hashes.size(), 301u);
}

TEST(Hash64, EveryByteOfEveryLengthMatters) {
  const HashSeed seed = HashSeed::fixed(1);
  for (std::size_t size = 1; size <= 70; ++size) {
    const std::string key(size, 'a');
    for (std::size_t i = 0; i < size; ++i) {
      std::string other = key;
      other[i] = 'b';
      EXPECT_NE(hash64(seed, key), hash64(seed, other)) << "length " << size << ", byte " << i;
    }
  }
}

// A changed input bit must change each output bit in about half of the cases: 32 of 64 on average.
TEST(Hash64, OneInputBitChangesHalfOfTheOutputBits) {
  const HashSeed seed = HashSeed::fixed(11);
  for (const std::size_t size : {1u, 3u, 4u, 7u, 8u, 15u, 16u, 17u, 20u, 33u, 64u}) {
    int changed = 0;
    int cases = 0;
    for (int variant = 0; variant < 64; ++variant) {
      const std::string key(size, static_cast<char>(variant));
      for (std::size_t bit = 0; bit < size * 8; ++bit) {
        std::string other = key;
        other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << (bit % 8)));
        changed += std::popcount(hash64(seed, key) ^ hash64(seed, other));
        ++cases;
      }
    }
    EXPECT_NEAR(static_cast<double>(changed) / cases, 32.0, 1.0) << "length " << size;
  }
}

// Shards use the high bits and the index of a shard the low ones.
TEST(Hash64, HighAndLowBitsSpreadNumberedKeysEvenly) {
  constexpr int kKeys = 256 * 400;
  std::vector<int> high(256);
  std::vector<int> low(256);
  for (int i = 0; i < kKeys; ++i) {
    const std::uint64_t hash = hash64(HashSeed::fixed(5), "key:" + std::to_string(i));
    ++high[hash >> 56];
    ++low[hash & 255];
  }
  double chi_high = 0;
  double chi_low = 0;
  for (std::size_t i = 0; i < 256; ++i) {
    chi_high += (high[i] - 400.0) * (high[i] - 400.0) / 400.0;
    chi_low += (low[i] - 400.0) * (low[i] - 400.0) / 400.0;
  }
  // Chi-square with 255 degrees of freedom: above 360 has a chance of 2 in 100,000.
  EXPECT_LT(chi_high, 360.0);
  EXPECT_LT(chi_low, 360.0);
}

}  // namespace
}  // namespace anteroom::base
