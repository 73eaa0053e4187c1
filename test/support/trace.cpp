#include "support/trace.hpp"

#include <lzma.h>

#include <array>
#include <cstddef>
#include <span>
#include <unordered_map>

#include "base/check.hpp"
#include "support/temp_dir.hpp"

namespace anteroom::test {
namespace {

std::vector<std::uint8_t> decompress(const std::string& compressed) {
  lzma_stream stream = LZMA_STREAM_INIT;
  ANTEROOM_CHECK(lzma_stream_decoder(&stream, UINT64_MAX, 0) == LZMA_OK);
  stream.next_in = reinterpret_cast<const std::uint8_t*>(compressed.data());
  stream.avail_in = compressed.size();

  std::vector<std::uint8_t> bytes;
  std::array<std::uint8_t, 64 * 1024> piece;
  lzma_ret result = LZMA_OK;
  while (result == LZMA_OK) {
    stream.next_out = piece.data();
    stream.avail_out = piece.size();
    result = lzma_code(&stream, LZMA_FINISH);
    bytes.insert(bytes.end(), piece.begin(), piece.end() - static_cast<std::ptrdiff_t>(stream.avail_out));
  }
  lzma_end(&stream);
  ANTEROOM_CHECK(result == LZMA_STREAM_END);
  return bytes;
}

}  // namespace

Trace read_trace(const std::string& name) {
  const std::vector<std::uint8_t> bytes = decompress(read_file("test/traces/" + name + ".trace.xz"));
  ANTEROOM_CHECK(bytes.size() % 4 == 0);

  Trace trace;
  trace.requests.reserve(bytes.size() / 4);
  std::unordered_map<std::uint32_t, std::uint32_t> numbers;
  for (std::size_t at = 0; at < bytes.size(); at += 4) {
    std::uint32_t id = 0;
    for (const std::uint8_t byte : std::span(bytes).subspan(at, 4)) id = id << 8 | byte;
    const auto next = static_cast<std::uint32_t>(numbers.size());
    trace.requests.push_back(numbers.try_emplace(id, next).first->second);
  }
  trace.objects = static_cast<std::uint32_t>(numbers.size());
  return trace;
}

}  // namespace anteroom::test
