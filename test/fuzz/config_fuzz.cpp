// Any bytes as configuration file, variables and flags: options or errors, each error one line without the secret.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "config/describe.hpp"
#include "config/loader.hpp"

namespace {

using namespace anteroom::config;

constexpr std::string_view kSecret = "fuzz-secret";

/// The file, then a 0xFF byte, then arguments, one a line.
std::vector<std::string> arguments_of(const std::string& text) {
  std::vector<std::string> out{"--config", "c.json"};
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

void check_no_secret(const std::string& text) { ANTEROOM_CHECK(text.find(kSecret) == std::string::npos); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  // An input that has the word itself in it would show it rightly.
  if (text.find("fuzz") != std::string::npos) return 0;
  const std::size_t split = std::min(text.find('\xff'), size);
  const FileReader read = [&](const std::string& path,
                              std::size_t /*bytes_max*/) -> std::expected<std::string, std::string> {
    if (path == "c.json") return text.substr(0, split);
    return std::unexpected("No such file or directory");
  };
  const CommandLine line = parse_command_line(arguments_of(text.substr(std::min(split + 1, size))));
  const auto options = load(line, {{"REDIS_PASSWORD", std::string(kSecret)}}, read);
  if (options) {
    check_no_secret(effective_json(*options));
    return 0;
  }
  ANTEROOM_CHECK(!options.error().empty());
  for (const Error& error : options.error()) {
    check_no_secret(error.to_string());
    ANTEROOM_CHECK(!error.problem.empty() && error.to_string().find('\n') == std::string::npos);
  }
  return 0;
}
