// Any bytes as a PROXY header: an answer that is the same however they arrive, and never asks for more than there is.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.hpp"
#include "net/proxy_protocol.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anteroom::net;
  using Step = ProxyHeader::Step;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const ProxyHeader at_once = parse_proxy_header(bytes);

  // As a connection reads it: never more than is asked for.
  std::size_t known = 0;
  ProxyHeader in_steps = parse_proxy_header({});
  while (in_steps.step == Step::kNeedMore && in_steps.bytes <= size) {
    ANTEROOM_CHECK(in_steps.bytes > known && in_steps.bytes <= kProxyHeaderBytesMax);
    known = in_steps.bytes;
    in_steps = parse_proxy_header(bytes.substr(0, known));
  }
  if (in_steps.step == Step::kNeedMore) {
    // What is there of the last step may show that it is no header.
    ANTEROOM_CHECK(at_once.step != Step::kDone);
    return 0;
  }
  ANTEROOM_CHECK(at_once.step == in_steps.step && at_once.bytes == in_steps.bytes && at_once.error == in_steps.error);
  if (at_once.step == Step::kDone) {
    ANTEROOM_CHECK(at_once.bytes == known && at_once.client == in_steps.client);
    if (at_once.client) ANTEROOM_CHECK(!at_once.client->to_string().empty());
  } else {
    ANTEROOM_CHECK(!at_once.error.empty());
  }
  return 0;
}
