// Any text as an upstream URL: it is refused without showing its password, or its canonical form means the same.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.hpp"
#include "config/url.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anteroom::config;
  const std::string text(reinterpret_cast<const char*>(data), size);
  (void)parse_host_and_port(text);

  std::string masked = text;
  mask_url_password(masked.data(), masked.size());
  ANTEROOM_CHECK(masked.size() == text.size());

  auto parsed = parse_upstream_url(text);
  if (!parsed) {
    ANTEROOM_CHECK(parsed.error().find('\n') == std::string::npos);
    return 0;
  }
  const auto again = parse_upstream_url(display_url(*parsed));
  if (!parsed->password.empty()) parsed->password = "***";
  ANTEROOM_CHECK(again == *parsed);
  return 0;
}
