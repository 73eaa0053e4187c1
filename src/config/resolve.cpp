#include "config/resolve.hpp"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.hpp"
#include "config/auth_users.hpp"
#include "config/listeners.hpp"

namespace anteroom::config {
namespace {

constexpr std::string_view kUrl = "upstream.url";
constexpr std::string_view kUser = "upstream.user";
constexpr std::string_view kPassword = "upstream.password";
constexpr std::string_view kPasswordFile = "upstream.password_file";
constexpr std::string_view kHostname = "redis_hostname";
constexpr std::string_view kDatabase = "redis_database";

/// A password is short; what is larger is another file, given by mistake.
constexpr std::size_t kPasswordFileBytesMax = 4096;

class Resolver {
 public:
  Resolver(Options& options, Origins& origins, const FileReader& read, Errors& errors)
      : options_(options), origins_(origins), read_(read), errors_(errors), target_(options.upstream.target) {}

  void resolve() {
    check_pairs();
    if (has_error({kUrl, kUser, kPassword, kPasswordFile, kHostname, kDatabase})) return;
    resolve_place();
    resolve_user();
    resolve_password();
    check_tls();
    forget_secrets();
  }

 private:
  [[nodiscard]] Origin origin(std::string_view path) const {
    const auto found = origins_.find(path);
    return found == origins_.end() ? Origin{} : found->second;
  }
  [[nodiscard]] Level level(std::string_view path) const { return origin(path).level; }
  [[nodiscard]] bool is_given(std::string_view path) const { return level(path) != Level::kDefault; }

  [[nodiscard]] bool has_error(std::initializer_list<std::string_view> paths) const {
    return std::ranges::any_of(
        errors_, [paths](const Error& error) { return std::ranges::find(paths, error.option) != paths.end(); });
  }

  void refuse(std::string_view path, std::string problem) {
    const Origin from = origin(path);
    errors_.push_back({.option = std::string(path),
                       .problem = std::move(problem),
                       .source = from.level == Level::kDefault ? std::string{} : from.source});
  }

  /// Two ways to say the same at the same level: neither is the stronger one.
  bool refuse_both(std::string_view path, std::string_view other, std::string_view part = "") {
    if (!is_given(path) || level(path) != level(other)) return false;
    refuse(path, std::string(part) + std::string(other) + " is given as well, by " + origin(other).source);
    return true;
  }

  void check_pairs() {
    const UpstreamOptions& upstream = options_.upstream;
    const LimitOptions& limits = options_.limits;
    check_listeners(options_.listen, origins_, errors_);
    if (!has_error({"upstream.reconnect_base_ms", "upstream.reconnect_cap_ms"}) &&
        upstream.reconnect_base > upstream.reconnect_cap) {
      refuse("upstream.reconnect_base_ms", "is more than upstream.reconnect_cap_ms");
    }
    if (!has_error({"limits.output_pause_bytes", "limits.output_buffer_bytes"}) &&
        limits.output_pause_bytes > limits.output_buffer_bytes) {
      refuse("limits.output_pause_bytes", "is more than limits.output_buffer_bytes");
    }
    constexpr std::uint64_t kCacheBytesMin = 64 * 1024;  // the smallest index and three pages of entries
    const std::uint64_t cache_bytes = options_.cache.capacity_bytes;
    if (!has_error({"cache.capacity_bytes"}) && cache_bytes > 0 && cache_bytes < kCacheBytesMin) {
      refuse("cache.capacity_bytes", "is less than 64kb, which would hold next to nothing; 0 is no limit");
    }
    check_staleness();
    check_renames();
  }

  /// It could not be called by its new name either: what is denied is so by any name.
  void check_renames() {
    if (has_error({"commands.rename", "commands.deny"})) return;
    for (const std::string& rename : options_.commands.rename) {
      const std::size_t sign = rename.find('=');
      const std::string old_name = rename.substr(0, sign);
      const bool has_new_name = sign + 1 < rename.size();
      if (!has_new_name || std::ranges::find(options_.commands.deny, old_name) == options_.commands.deny.end())
        continue;
      refuse("commands.rename", "names '" + old_name + "', which commands.deny denies by any name");
      return;
    }
  }

  /// One late answer must not empty the cache. Each of the two may be what has to change, also when it is the default,
  /// so both are named with their values and sources.
  void check_staleness() {
    constexpr std::string_view kFenceInterval = "cache.fence_interval_ms";
    constexpr std::string_view kMaxStaleness = "cache.max_staleness_ms";
    const CacheOptions& cache = options_.cache;
    if (has_error({kFenceInterval, kMaxStaleness}) || cache.max_staleness >= 2 * cache.fence_interval) return;
    errors_.push_back({.option = std::string(kMaxStaleness),
                       .problem = std::to_string(cache.max_staleness.count()) + " is less than twice " +
                                  std::string(kFenceInterval) + ", which is " +
                                  std::to_string(cache.fence_interval.count()) + " by " + origin(kFenceInterval).source,
                       .source = origin(kMaxStaleness).source});
  }

  /// Host, port, path and database: from the URL, or from the original tool's two options.
  void resolve_place() {
    const auto& given = options_.upstream.given;
    refuse_both(kUrl, kHostname);
    is_url_used_ = level(kUrl) >= level(kHostname);
    auto parsed = is_url_used_ ? parse_upstream_url(given.url) : parse_host_and_port(given.redis_hostname);
    ANTEROOM_CHECK(parsed.has_value());
    target_ = std::move(*parsed);
    if (!is_url_used_) {
      origins_[std::string(kUrl)] = origin(kHostname);
      if (is_given(kDatabase)) target_.db = given.redis_database;
    } else if (!refuse_both(kUrl, kDatabase) && level(kDatabase) > level(kUrl)) {
      target_.db = given.redis_database;
    }
  }

  /// Who names a CA believes that there is TLS: the URL must say so, too.
  void check_tls() {
    const UpstreamOptions& upstream = options_.upstream;
    for (const auto& [path, text] :
         {std::pair("upstream.tls_ca", &upstream.tls_ca), std::pair("upstream.tls_cert", &upstream.tls_cert),
          std::pair("upstream.tls_key", &upstream.tls_key),
          std::pair("upstream.tls_server_name", &upstream.tls_server_name)}) {
      if (!text->empty() && !target_.has_certificate()) {
        refuse(path, "is given, but upstream.url is not rediss:// or quic://");
      }
    }
    if (target_.is_quic && !upstream.tls_verify) {
      refuse("upstream.tls_verify", "is for rediss://; a quic:// URL says ?insecure=1");
    }
    if (!target_.pin.empty() && !upstream.tls_ca.empty()) {
      refuse("upstream.tls_ca", "is of no use beside the pin of upstream.url");
    }
    if (!target_.has_certificate() || upstream.tls_cert.empty() == upstream.tls_key.empty()) return;
    const bool has_key = upstream.tls_cert.empty();
    refuse(has_key ? "upstream.tls_key" : "upstream.tls_cert",
           std::string("needs ") + (has_key ? "upstream.tls_cert" : "upstream.tls_key") + " beside it");
  }

  void resolve_user() {
    const std::string& user = options_.upstream.given.user;
    const bool is_in_url = !target_.user.empty();
    if (is_in_url && !user.empty() && refuse_both(kUrl, kUser, "has a user, and ")) return;
    if (is_in_url && level(kUrl) >= level(kUser)) {
      origins_[std::string(kUser)] = origin(kUrl);
    } else if (is_given(kUser)) {
      target_.user = user;
    }
  }

  /// A password that is given as empty beats weaker ones; an empty name of a file is no file.
  void resolve_password() {
    const auto& given = options_.upstream.given;
    const bool is_in_url = !target_.password.empty();
    const Level file_level = given.password_file.empty() ? Level::kDefault : level(kPasswordFile);
    const bool has_file = file_level != Level::kDefault;
    if (is_in_url && !given.password.empty() && refuse_both(kUrl, kPassword, "has a password, and ")) return;
    if (is_in_url && has_file && refuse_both(kUrl, kPasswordFile, "has a password, and ")) return;
    if (has_file && !given.password.empty() && refuse_both(kPassword, kPasswordFile)) return;

    if (is_in_url && level(kUrl) >= std::max(level(kPassword), file_level)) {
      origins_[std::string(kPassword)] = origin(kUrl);
    } else if (has_file && file_level >= level(kPassword)) {
      read_password_file();
    } else if (is_given(kPassword)) {
      target_.password = given.password;
    }
  }

  void read_password_file() {
    const std::string& path = options_.upstream.given.password_file;
    auto content = read_secret_file(read_, path);
    if (!content) return refuse(kPasswordFile, content.error());
    target_.password = std::move(*content);
    origins_[std::string(kPassword)] = origin(kPasswordFile);
  }

  /// What remains is what `check` shows: the effective values.
  void forget_secrets() {
    Upstream place = target_;
    place.user.clear();
    place.password.clear();
    options_.upstream.given.url = display_url(place);
    options_.upstream.given.user = target_.user;
    options_.upstream.given.password = target_.password.empty() ? "" : "***";
  }

  Options& options_;
  Origins& origins_;
  const FileReader& read_;
  Errors& errors_;
  Upstream& target_;
  bool is_url_used_ = true;
};

}  // namespace

void resolve(Options& options, Origins& origins, const FileReader& read, Errors& errors) {
  Resolver(options, origins, read, errors).resolve();
  resolve_auth(options.auth, origins, read, errors);
}

std::expected<std::string, std::string> read_secret_file(const FileReader& read, const std::string& path) {
  auto content = read(path, kPasswordFileBytesMax);
  if (!content) return std::unexpected(path + ": " + content.error());
  if (content->ends_with('\n')) content->pop_back();
  if (content->ends_with('\r')) content->pop_back();
  if (content->empty()) return std::unexpected(path + ": is empty");
  if (content->find('\0') != std::string_view::npos) return std::unexpected(path + ": has a NUL byte");
  return content;
}

}  // namespace anteroom::config
