// ANTEROOM CONFIG: what the options are, and those that can be changed while the program runs.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/ascii.hpp"
#include "base/glob.hpp"
#include "base/log.hpp"
#include "config/descriptor.hpp"
#include "config/value.hpp"
#include "server/server.hpp"
#include "server/worker_options.hpp"

namespace anteroom::server {

std::vector<std::pair<std::string, std::string>> Server::options(std::string_view glob) const {
  const base::GlobList globs({base::lowercase(glob)});
  const base::MutexLock lock(changes_mutex_);
  std::vector<std::pair<std::string, std::string>> out;
  for (const config::Descriptor& option : config::descriptors()) {
    if (!globs.matches(option.path)) continue;
    std::string text = config::text_of(option, option.read(changed_));
    if (option.is_secret && !text.empty()) text = "***";
    out.emplace_back(option.path, std::move(text));
  }
  return out;
}

std::string Server::set_option(std::string_view name, std::string_view value) const {
  const config::Descriptor* const option = config::find_by_path(base::lowercase(name));
  if (option == nullptr) return "there is no option '" + std::string(name) + "'";
  const bool is_limit = option->path.starts_with("limits.");
  if (!is_limit && option->path != "log.level") {
    return "'" + std::string(option->path) + "' cannot be changed while it runs; log.level and limits.* can";
  }
  const auto parsed = config::value_from_text(*option, value);
  if (!parsed) return std::string(option->path) + ": " + parsed.error();
  proxy::SessionLimits limits;
  {
    const base::MutexLock lock(changes_mutex_);
    option->store(changed_, *parsed);
    limits = session_limits(changed_.limits);
    if (!is_limit) log::set_level(changed_.log.level);
  }
  log::info("option changed", {{"option", option->path}, {"value", value}});
  // Clients that are there keep the limits of their parser.
  for (const auto& worker : workers_) {
    worker->post([limits](proxy::Services& services) { services.limits = limits; });
  }
  return {};
}

}  // namespace anteroom::server
