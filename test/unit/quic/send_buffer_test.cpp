#include "quic/send_buffer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <deque>
#include <random>
#include <string>

namespace anteroom::quic {
namespace {

std::string text_of(std::span<const iovec> pieces) {
  std::string out;
  for (const iovec& piece : pieces) out.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  return out;
}

std::string unsent(const SendBuffer& buffer) {
  std::array<iovec, 64> pieces{};
  return text_of({pieces.data(), buffer.fill_unsent(pieces)});
}

TEST(SendBuffer, GivesWhatWasAppendedInOrder) {
  ChunkPool pool;
  SendBuffer buffer(pool);
  const std::string large(3 * ChunkPool::kChunkBytes, 'x');

  buffer.append("ab");
  buffer.append(large);
  buffer.append("c");

  EXPECT_EQ(unsent(buffer), "ab" + large + "c");
  EXPECT_EQ(buffer.unsent_bytes(), large.size() + 3);
  EXPECT_EQ(buffer.held_bytes(), large.size() + 3);
}

TEST(SendBuffer, BytesStayWhereTheyAreUntilAcknowledged) {
  ChunkPool pool;
  SendBuffer buffer(pool);
  buffer.append("first");
  std::array<iovec, 4> pieces{};
  ASSERT_EQ(buffer.fill_unsent(pieces), 1u);
  buffer.mark_sent(5);

  buffer.append(std::string(5 * ChunkPool::kChunkBytes, 'y'));
  buffer.mark_sent(2 * ChunkPool::kChunkBytes);

  EXPECT_EQ(text_of({pieces.data(), 1}), "first");
}

TEST(SendBuffer, AcknowledgedChunksAreUsedAgain) {
  ChunkPool pool;
  SendBuffer buffer(pool);
  const std::string two(2 * ChunkPool::kChunkBytes, 'z');
  buffer.append(two);
  buffer.append("end");
  buffer.mark_sent(two.size() + 3);

  buffer.acknowledge(two.size());

  EXPECT_EQ(pool.kept(), 2u);
  EXPECT_EQ(buffer.held_bytes(), 3u);
  buffer.acknowledge(two.size() + 3);
  EXPECT_EQ(buffer.held_bytes(), 0u);
  buffer.append("next");
  EXPECT_EQ(unsent(buffer), "next");
}

TEST(SendBuffer, LateAcknowledgementsAreIgnored) {
  ChunkPool pool;
  SendBuffer buffer(pool);
  buffer.append("abcdef");
  buffer.mark_sent(6);

  buffer.acknowledge(4);
  buffer.acknowledge(2);

  EXPECT_EQ(buffer.held_bytes(), 2u);
}

TEST(SendBuffer, ClearGivesEverythingBack) {
  ChunkPool pool;
  SendBuffer buffer(pool);
  buffer.append(std::string(3 * ChunkPool::kChunkBytes, 'x'));
  buffer.mark_sent(10);

  buffer.clear();

  EXPECT_EQ(pool.kept(), 3u);
  EXPECT_EQ(buffer.held_bytes(), 0u);
  EXPECT_EQ(buffer.unsent_bytes(), 0u);
}

TEST(SendBuffer, PoolKeepsOnlySoMany) {
  ChunkPool pool;
  {
    SendBuffer buffer(pool);
    for (std::size_t i = 0; i < ChunkPool::kKeptMax + 10; ++i) buffer.append(std::string(ChunkPool::kChunkBytes, 'x'));
  }
  EXPECT_EQ(pool.kept(), ChunkPool::kKeptMax);
}

// Against a string, with random steps of every size.
TEST(SendBuffer, BehavesLikeAStringWithThreePositions) {
  std::mt19937_64 random(20260101);
  const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random() % (limit + 1)); };
  ChunkPool pool;
  for (int round = 0; round < 50; ++round) {
    SendBuffer buffer(pool);
    std::string all;
    std::size_t sent = 0;
    std::size_t acked = 0;
    for (int step = 0; step < 400; ++step) {
      switch (random() % 4) {
        case 0: {
          std::string more(below(random() % 8 == 0 ? 40'000 : 600), '\0');
          for (char& c : more) c = static_cast<char>(random());
          buffer.append(more);
          all += more;
          break;
        }
        case 1: {
          const std::span<char> room = buffer.prepare(1 + below(4096));
          const std::size_t size = std::min(room.size(), below(5000));
          for (std::size_t i = 0; i < size; ++i) room[i] = static_cast<char>(random());
          all.append(room.data(), size);
          buffer.commit(size);
          break;
        }
        case 2: {
          const std::size_t size = below(buffer.unsent_bytes());
          buffer.mark_sent(size);
          sent += size;
          break;
        }
        default: {
          acked = std::max(acked, below(sent));
          buffer.acknowledge(acked);
          break;
        }
      }
      ASSERT_EQ(buffer.held_bytes(), all.size() - acked) << round << "/" << step;
      std::array<iovec, 128> pieces{};
      const std::string got = text_of({pieces.data(), buffer.fill_unsent(pieces)});
      ASSERT_EQ(got, all.substr(sent, got.size())) << round << "/" << step;
      ASSERT_TRUE(got.size() == all.size() - sent || !got.empty());
    }
  }
}

TEST(SendBuffer, RewoundItHasEverythingToSendAgain) {
  ChunkPool pool;
  SendBuffer buffer(pool);
  const std::string large(2 * ChunkPool::kChunkBytes, 'x');
  buffer.append("ab" + large);
  buffer.mark_sent(large.size());

  buffer.rewind();

  EXPECT_EQ(unsent(buffer), "ab" + large);
  EXPECT_EQ(buffer.held_bytes(), large.size() + 2);
}

}  // namespace
}  // namespace anteroom::quic
