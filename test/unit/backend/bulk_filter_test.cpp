#include "backend/bulk_filter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "support/split.hpp"

namespace anteroom::backend {
namespace {

constexpr std::size_t kLimit = BulkFilter::kBulkBytesMin;
constexpr std::string_view kMark = "-LARGE\r\n";

std::string header(char type, std::size_t length) { return type + std::to_string(length) + "\r\n"; }
std::string bulk(std::size_t length, char type = '$') {
  return header(type, length) + std::string(length, 'x') + "\r\n";
}

/// What passes, when the bytes come in these pieces, as one text.
std::string filtered(const test::Pieces& pieces) {
  BulkFilter filter(kLimit);
  std::string out;
  for (std::string_view piece : pieces) {
    std::string buffer(64 * 1024, '\0');
    while (!piece.empty()) {
      const std::span<char> space = filter.prepare(buffer);
      const std::size_t added = piece.copy(space.data(), space.size());
      piece.remove_prefix(added);
      out.append(buffer, 0, filter.filter(buffer, added));
    }
  }
  return out;
}

/// The same as lines, so that more bytes add to the end.
std::vector<std::string> lines_of(const test::Pieces& pieces) {
  const std::string passed = filtered(pieces);
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < passed.size();) {
    const std::size_t end = std::min(passed.find("\r\n", at), passed.size() - 2) + 2;
    lines.push_back(passed.substr(at, end - at));
    at = end;
  }
  return lines;
}

void expect_passes_as(std::string_view input, std::string_view output) {
  std::string passed;
  for (const std::string& line : test::expect_same_for_every_split(input, lines_of)) passed += line;
  EXPECT_EQ(passed, output);
}
void expect_passes(std::string_view input) { expect_passes_as(input, input); }

TEST(BulkFilter, WhatIsNotTooLargePassesAsItIs) {
  expect_passes("+OK\r\n-ERR no\r\n:12\r\n$3\r\nabc\r\n$0\r\n\r\n$-1\r\n_\r\n#t\r\n,1.5\r\n(12345678901234567890\r\n");
  expect_passes(
      "*3\r\n$1\r\na\r\n*1\r\n:1\r\n%1\r\n+k\r\n=7\r\ntxt:abc\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n");
  expect_passes("!7\r\nERR bad\r\n~2\r\n+a\r\n+b\r\n|1\r\n+a\r\n:1\r\n+OK\r\n");
}

TEST(BulkFilter, PayloadThatLooksLikeAHeaderIsNone) {
  expect_passes("$17\r\n$99999\r\n$88888\r\n\r\n\r\n+OK\r\n");
  expect_passes("+$99999 is text\r\n:1\r\n");
}

TEST(BulkFilter, StringAsLongAsTheLimitPasses) {
  EXPECT_EQ(filtered({bulk(kLimit)}), bulk(kLimit));
  EXPECT_EQ(filtered({bulk(kLimit + 1)}), kMark);
}

TEST(BulkFilter, ErrorStandsInPlaceOfEveryKindOfBulkThatIsTooLarge) {
  for (const char type : {'$', '=', '!'}) {
    expect_passes_as("+before\r\n" + bulk(kLimit + 1, type) + ":1\r\n", "+before\r\n-LARGE\r\n:1\r\n");
  }
}

TEST(BulkFilter, StringsThatAreTooLargeAreFoundInsideOfAggregates) {
  const std::string large = bulk(kLimit + 1);
  expect_passes_as("*3\r\n$1\r\na\r\n" + large + "*2\r\n" + large + "$-1\r\n:7\r\n",
                   "*3\r\n$1\r\na\r\n-LARGE\r\n*2\r\n-LARGE\r\n$-1\r\n:7\r\n");
}

TEST(BulkFilter, MalformedLinesPassForTheParserToJudge) {
  for (const std::string_view line : {"$", "$99999x", "$+99999", "$ 99999", "$-99999", "$?", "$99999\n", "$99999\r",
                                      "$18446744073709551614", "$18446744073709551615", "$184467440737095516150",
                                      "$0000000000000000000000000000000000099999", "what\ris\nthis", ""}) {
    expect_passes(std::string(line) + "\r\n:1\r\n");
  }
}

TEST(BulkFilter, LineEndsWithReturnAndLineFeedOnly) {
  expect_passes_as("+a\r\r\n" + bulk(kLimit + 1) + "+\n$99999\r\n+\r$99999\r\n:1\r\n",
                   "+a\r\r\n-LARGE\r\n+\n$99999\r\n+\r$99999\r\n:1\r\n");
}

TEST(BulkFilter, ErrorStandsAsSoonAsTheHeaderHasCome) {
  BulkFilter filter(kLimit);
  std::string buffer(100, '\0');
  const std::string begin = header('$', 500'000'000) + "xxx";
  begin.copy(filter.prepare(buffer).data(), begin.size());

  const std::size_t passed = filter.filter(buffer, begin.size());

  EXPECT_EQ(buffer.substr(0, passed), kMark);
  EXPECT_EQ(filter.bytes_to_skip(), 500'000'000u + 2 - 3);
}

TEST(BulkFilter, LongestLengthIsSkippedAndDoesNotWrapAround) {
  BulkFilter filter(kLimit);
  std::string buffer(100, '\0');
  const std::string begin = "$18446744073709551613\r\n:1\r\n";
  begin.copy(filter.prepare(buffer).data(), begin.size());

  const std::size_t passed = filter.filter(buffer, begin.size());

  EXPECT_EQ(buffer.substr(0, passed), kMark);
  EXPECT_EQ(filter.bytes_to_skip(), UINT64_MAX - 4);
}

TEST(BulkFilter, RoomIsTheSameWhenNothingCame) {
  BulkFilter filter(kLimit);
  std::string buffer(100, '\0');
  filter.prepare(buffer)[0] = '$';
  EXPECT_EQ(filter.filter(buffer, 1), 0u);
  buffer.assign(100, '\0');

  EXPECT_EQ(filter.prepare(buffer).data(), buffer.data() + 1);
  buffer.assign(100, '\0');
  const std::span<char> space = filter.prepare(buffer);
  std::ranges::copy(std::string_view("1\r\na\r\n"), space.begin());

  const std::size_t passed = filter.filter(buffer, 6);

  EXPECT_EQ(buffer.substr(0, passed), "$1\r\na\r\n");
}

TEST(BulkFilter, NothingIsToBeSkippedOfWhatPasses) {
  BulkFilter filter(kLimit);
  std::string buffer(100, '\0');
  std::ranges::copy(std::string_view("$5\r\n"), filter.prepare(buffer).begin());

  EXPECT_EQ(filter.filter(buffer, 4), 4u);

  EXPECT_EQ(filter.bytes_to_skip(), 0u);
}

}  // namespace
}  // namespace anteroom::backend
