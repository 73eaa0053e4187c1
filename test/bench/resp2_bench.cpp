#include <benchmark/benchmark.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_queue.hpp"
#include "command/reply_shape.hpp"
#include "command/table.hpp"
#include "resp/resp2_converter.hpp"

// What it costs to give a reply that came in RESP3 to a client that speaks RESP2, beside copying its bytes.
namespace anteroom::resp {
namespace {

std::string strings(std::size_t count, std::size_t size) {
  std::string elements;
  for (std::size_t i = 0; i < count; ++i)
    elements += "$" + std::to_string(size) + "\r\n" + std::string(size, 'v') + "\r\n";
  return elements;
}

const std::string kString = strings(1, 100);
const std::string kMap = "%100\r\n" + strings(200, 10);    // HGETALL
const std::string kArray = "*200\r\n" + strings(200, 10);  // LRANGE

/// 100 members with scores: no element stays as it is.
std::string pairs() {
  std::string reply = "*100\r\n";
  for (int i = 0; i < 100; ++i) reply += "*2\r\n$10\r\nvvvvvvvvvv\r\n,1.5\r\n";
  return reply;
}
const std::string kPairs = pairs();

void keep_small(base::ByteQueue& out) {
  if (out.size() > 12'000) out.consume(out.size());
}

void copy(benchmark::State& state, const std::string& reply) {
  base::ByteQueue out;
  for (auto _ : state) {
    out.append(reply);
    keep_small(out);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(reply.size()));
}
BENCHMARK_CAPTURE(copy, string, kString);
BENCHMARK_CAPTURE(copy, map, kMap);

void convert(benchmark::State& state, const std::string& reply, ReplyShape shape) {
  base::ByteQueue out;
  Resp2Converter converter;
  for (auto _ : state) {
    converter.reset(shape);
    if (converter.convert(reply, out).step != Resp2Converter::Step::kReply) state.SkipWithError("not converted");
    keep_small(out);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(reply.size()));
}
BENCHMARK_CAPTURE(convert, string, kString, ReplyShape{});
BENCHMARK_CAPTURE(convert, array, kArray, ReplyShape{});
BENCHMARK_CAPTURE(convert, map, kMap, ReplyShape{});
BENCHMARK_CAPTURE(convert, pairs, kPairs, ReplyShape{.pairs = ReplyShape::Pairs::kFlat});

void shape(benchmark::State& state) {
  const command::Table table = *command::Table::build();
  const std::vector<std::string_view> args{"GET", "key"};
  const command::Facts* const facts = table.find(args).facts;
  for (auto _ : state) benchmark::DoNotOptimize(command::reply_shape(*facts, args));
}
BENCHMARK(shape);

}  // namespace
}  // namespace anteroom::resp

BENCHMARK_MAIN();
