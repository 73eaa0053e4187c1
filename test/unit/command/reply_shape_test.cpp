#include "command/reply_shape.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "command/table.hpp"
#include "support/words.hpp"

namespace anteroom::command {
namespace {

using resp::ReplyShape;
using NullArrays = ReplyShape::NullArrays;
using Pairs = ReplyShape::Pairs;

constexpr ReplyShape kAsTyped{};
constexpr ReplyShape kFlat{.pairs = Pairs::kFlat};
constexpr ReplyShape kNullArray{.null_arrays = NullArrays::kReply};

const Table& table() {
  static const Table built = *Table::build();
  return built;
}

ReplyShape shape_of(std::string_view line, bool is_queued = false) {
  const std::vector<std::string> words = test::words(line);
  const std::vector<std::string_view> args = test::views(words);
  const Lookup lookup = table().find(args);
  EXPECT_NE(lookup.facts, nullptr) << line;
  return is_queued ? queued_reply_shape(*lookup.facts, args) : reply_shape(*lookup.facts, args);
}

TEST(ReplyShape, MostRepliesAreAsTyped) {
  for (const std::string_view line :
       {"GET k", "HGETALL k", "CONFIG GET a", "EVAL x 0", "SMEMBERS k", "ZSCORE k m", "XINFO STREAM k", "ZMSCORE k m",
        "LMOVE a b LEFT LEFT", "COMMAND INFO x", "OBJECT ENCODING k", "XAUTOCLAIM k g c 0 0"}) {
    EXPECT_EQ(shape_of(line), kAsTyped) << line;
  }
}

TEST(ReplyShape, MembersWithScoresAreFlat) {
  for (const std::string_view line :
       {"ZRANGE k 0 -1 WITHSCORES", "zrangebyscore k 0 1 withscores", "ZREVRANGE k 0 1",
        "ZREVRANGEBYSCORE k 1 0 WITHSCORES", "ZUNION 1 k WITHSCORES", "ZINTER 1 k WITHSCORES", "ZDIFF 1 k WITHSCORES",
        "ZRANDMEMBER k 2 WITHSCORES", "HRANDFIELD k 2 WITHVALUES", "ZPOPMIN k 2", "ZPOPMAX k 2"}) {
    EXPECT_EQ(shape_of(line), kFlat) << line;
  }
}

TEST(ReplyShape, PopsAndRangesThatFindNothingAnswerWithANullArray) {
  for (const std::string_view line :
       {"BLPOP k 0", "BRPOP k 0", "BLMOVE a b LEFT LEFT 0", "BRPOPLPUSH a b 0", "BLMPOP 0 1 k LEFT", "LMPOP 1 k LEFT",
        "BZMPOP 0 1 k MIN", "ZMPOP 1 k MIN", "BZPOPMIN k 0", "BZPOPMAX k 0", "XRANGE k - + COUNT 0",
        "XREVRANGE k + - COUNT 0", "EXEC"}) {
    EXPECT_EQ(shape_of(line), kNullArray) << line;
  }
  EXPECT_EQ(reply_shape(*table().find_name("sentinel|get-master-addr-by-name"), {}), kNullArray);
}

TEST(ReplyShape, SomeNullsDependOnTheArguments) {
  EXPECT_EQ(shape_of("LPOP k"), kAsTyped);
  EXPECT_EQ(shape_of("LPOP k 0"), kNullArray);
  EXPECT_EQ(shape_of("RPOP k"), kAsTyped);
  EXPECT_EQ(shape_of("RPOP k 1"), kNullArray);
  EXPECT_EQ(shape_of("ZRANK k m"), kAsTyped);
  EXPECT_EQ(shape_of("ZRANK k m WITHSCORE"), kNullArray);
  EXPECT_EQ(shape_of("ZREVRANK k m"), kAsTyped);
  EXPECT_EQ(shape_of("ZREVRANK k m WITHSCORE"), kNullArray);
}

TEST(ReplyShape, NullsInsideHaveTheirPlaces) {
  EXPECT_EQ(shape_of("GEOPOS k m"), (ReplyShape{.null_arrays = NullArrays::kElements}));
  EXPECT_EQ(shape_of("XPENDING k g"), (ReplyShape{.null_arrays = NullArrays::kFourthElement}));
}

TEST(ReplyShape, StreamsAreAnArrayOfPairs) {
  EXPECT_EQ(shape_of("XREAD STREAMS k 0"), (ReplyShape{.pairs = Pairs::kOfMap, .null_arrays = NullArrays::kReply}));
  EXPECT_EQ(shape_of("XREADGROUP GROUP g c STREAMS k 0"),
            (ReplyShape{.pairs = Pairs::kOfMap, .null_arrays = NullArrays::kReplyAndEntries}));
}

TEST(ReplyShape, QueuedCommandsThatMustNotBlockHaveAnotherNull) {
  EXPECT_EQ(shape_of("BLMOVE a b LEFT LEFT 0", true), kAsTyped);
  EXPECT_EQ(shape_of("BRPOPLPUSH a b 0", true), kAsTyped);
  EXPECT_EQ(shape_of("BLPOP k 0", true), kNullArray);
  EXPECT_EQ(shape_of("LPOP k", true), kAsTyped);
  EXPECT_EQ(shape_of("ZPOPMIN k 2", true), kFlat);
}

}  // namespace
}  // namespace anteroom::command
