#include "config/url.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "base/ascii.hpp"
#include "base/parse_int.hpp"
#include "base/pin.hpp"

namespace anteroom::config {
namespace {

using Parsed = std::expected<Upstream, std::string>;
using Problem = std::optional<std::string>;

/// The longest host name of DNS; no numeric address is longer.
constexpr std::size_t kHostMax = 253;

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = base::hex_value(text[i + 1]);
    const int low = base::hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::string percent_encoded(std::string_view text, std::string_view also_plain) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool is_letter = base::to_lower(c) >= 'a' && base::to_lower(c) <= 'z';
    if (is_letter || base::is_digit(c) || also_plain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

/// Decodes into `out`. `what` names the part in the error, which does not show it.
Problem decode_into(std::string_view text, std::string_view what, std::string& out) {
  auto decoded = percent_decoded(text);
  if (!decoded) return std::string(what) + " has a '%' without two hexadecimal digits";
  if (decoded->find('\0') != std::string_view::npos) return std::string(what) + " has a NUL byte";
  out = std::move(*decoded);
  return std::nullopt;
}

Problem set_db(std::string_view text, Upstream& out) {
  const auto db = base::parse_int(text, 0, std::numeric_limits<int>::max());
  if (!db) return "the database is not a number from 0 to 2147483647";
  out.db = static_cast<int>(*db);
  return std::nullopt;
}

/// `[user:]password`, as redis-cli reads it: without a colon all of it is the password.
Problem set_credentials(std::string_view text, Upstream& out) {
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    if (Problem problem = decode_into(text.substr(0, colon), "the user", out.user)) return problem;
    text.remove_prefix(colon + 1);
  }
  return decode_into(text, "the password", out.password);
}

bool is_host_character(char c) {
  const char lower = base::to_lower(c);
  return (lower >= 'a' && lower <= 'z') || base::is_digit(c) || c == '.' || c == '-' || c == '_';
}

/// Enough to tell an address from a name; the system's resolver judges the rest.
bool is_ipv6_character(char c) { return base::hex_value(c) >= 0 || c == ':' || c == '.'; }

Problem set_bracketed_host(std::string_view inside, Upstream& out) {
  // A zone (fe80::1%eth0) is an interface's name and follows the address.
  const std::string_view address = inside.substr(0, inside.find('%'));
  const std::string_view zone = inside.substr(std::min(inside.size(), address.size() + 1));
  const bool is_address = address.size() >= 2 && address.find(':') != std::string_view::npos &&
                          std::ranges::all_of(address, is_ipv6_character);
  const bool has_empty_zone = zone.empty() && address.size() != inside.size();
  if (!is_address || has_empty_zone || inside.size() > kHostMax || !std::ranges::all_of(zone, is_host_character)) {
    return "what is in brackets is no IPv6 address";
  }
  out.host = inside;
  return std::nullopt;
}

/// `host[:port]`
Problem set_host_and_port(std::string_view text, Upstream& out) {
  std::string_view after_host;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return "the ']' after the IPv6 address is missing";
    if (Problem problem = set_bracketed_host(text.substr(1, end - 1), out)) return problem;
    after_host = text.substr(end + 1);
  } else {
    if (std::ranges::count(text, ':') > 1)
      return "more than one ':' in host and port (an IPv6 address goes in brackets)";
    const std::string_view host = text.substr(0, text.find(':'));
    if (host.empty()) return "the host is missing";
    if (host.size() > kHostMax) return "the host is longer than 253 characters";
    if (!std::ranges::all_of(host, is_host_character)) return "the host has a character that no host name has";
    out.host = host;
    after_host = text.substr(host.size());
  }
  if (after_host.empty()) return std::nullopt;
  const auto port = after_host.front() == ':' ? base::parse_int(after_host.substr(1), 1, 65'535) : std::nullopt;
  if (!port) return "the port is not a number from 1 to 65535";
  out.port = static_cast<std::uint16_t>(*port);
  return std::nullopt;
}

Problem set_pin(std::string_view text, Upstream& out) {
  auto digits = base::digits_of_pin(text);
  if (!digits) return "the pin is not sha256: with 64 hexadecimal digits, as the gateway prints it";
  out.pin = std::move(*digits);
  return std::nullopt;
}

/// What follows the '?' of a quic:// URL.
Problem set_quic_query(std::string_view query, Upstream& out) {
  while (!query.empty()) {
    const std::string_view parameter = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), parameter.size() + 1));
    if (parameter.starts_with("pin=")) {
      if (Problem problem = set_pin(parameter.substr(4), out)) return problem;
    } else if (parameter == "insecure=1") {
      out.is_insecure = true;
    } else {
      return "what follows the '?' is not pin=sha256:... or insecure=1";
    }
  }
  if (out.is_insecure && !out.pin.empty()) return "it has both a pin and insecure=1";
  return std::nullopt;
}

/// `[[user:]password@]host[:port][/db]`
Problem set_tcp(std::string_view text, Upstream& out) {
  out.kind = Upstream::Kind::kTcp;
  // The last '@': a password may hold others, unencoded.
  const std::size_t at = text.rfind('@');
  if (at != std::string_view::npos) {
    if (Problem problem = set_credentials(text.substr(0, at), out)) return problem;
    text.remove_prefix(at + 1);
  }
  if (out.is_quic) {
    const std::size_t question = text.find('?');
    if (question != std::string_view::npos) {
      if (Problem problem = set_quic_query(text.substr(question + 1), out)) return problem;
      text = text.substr(0, question);
    }
  }
  if (text.find_first_of("?#") != std::string_view::npos)
    return "a URL of Redis has no '?' or '#'; the database goes after a '/'";
  const std::size_t slash = text.find('/');
  if (Problem problem = set_host_and_port(text.substr(0, slash), out)) return problem;
  if (slash == std::string_view::npos || slash + 1 == text.size()) return std::nullopt;
  return set_db(text.substr(slash + 1), out);
}

Problem set_query_parameter(std::string_view parameter, Upstream& out) {
  const std::size_t equals = parameter.find('=');
  const std::string_view name = parameter.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? std::string_view{} : parameter.substr(equals + 1);
  if (name == "db") return set_db(value, out);
  if (name == "user") return decode_into(value, "the user", out.user);
  if (name == "password") return decode_into(value, "the password", out.password);
  return "what follows the '?' is not db=, user= or password=, with '&' between";
}

/// `/path[?db=N&user=...&password=...]`
Problem set_unix(std::string_view text, Upstream& out) {
  out.kind = Upstream::Kind::kUnix;
  const std::size_t question = text.find('?');
  if (Problem problem = decode_into(text.substr(0, question), "the path", out.path)) return problem;
  if (!out.path.starts_with('/')) return "the path is not absolute (unix:///path has three slashes)";
  if (out.path.size() > kUnixPathMax) return "the path is longer than the 107 bytes that a UNIX socket allows";
  if (question == std::string_view::npos) return std::nullopt;
  std::string_view query = text.substr(question + 1);
  while (true) {
    const std::size_t end = query.find('&');
    if (Problem problem = set_query_parameter(query.substr(0, end), out)) return problem;
    if (end == std::string_view::npos) return std::nullopt;
    query.remove_prefix(end + 1);
  }
}

Problem set_url(std::string_view url, Upstream& out) {
  constexpr std::string_view kExpected = "it must start with redis://, rediss://, quic:// or unix://";
  const std::size_t mark = url.find("://");
  if (url.empty()) return "it is empty";
  if (mark == std::string_view::npos) return std::string(kExpected);
  const std::string scheme = base::lowercase(url.substr(0, mark));
  const std::string_view rest = url.substr(mark + 3);
  out.is_tls = scheme == "rediss";
  out.is_quic = scheme == "quic";
  if (scheme == "redis" || scheme == "rediss" || scheme == "quic") return set_tcp(rest, out);
  if (scheme == "unix") return set_unix(rest, out);
  return std::string(kExpected);
}

}  // namespace

Parsed parse_upstream_url(std::string_view url) {
  Upstream out;
  if (Problem problem = set_url(url, out)) return std::unexpected(std::move(*problem));
  return out;
}

Parsed parse_host_and_port(std::string_view text) {
  Upstream out;
  if (Problem problem = set_host_and_port(text, out)) return std::unexpected(std::move(*problem));
  return out;
}

std::string display_url(const Upstream& upstream) {
  constexpr std::string_view kUnreserved = "-._~";
  const std::string user = percent_encoded(upstream.user, kUnreserved);
  const std::string db = std::to_string(upstream.db);
  if (upstream.kind == Upstream::Kind::kUnix) {
    std::string out = "unix://" + percent_encoded(upstream.path, "-._~/+,:@");
    char separator = '?';
    const auto add = [&](std::string_view name, std::string_view value) {
      out.append(1, std::exchange(separator, '&')).append(name).append(value);
    };
    if (upstream.db != 0) add("db=", db);
    if (!user.empty()) add("user=", user);
    if (!upstream.password.empty()) add("password=", "***");
    return out;
  }
  std::string out = (upstream.is_quic ? "quic://" : upstream.is_tls ? "rediss://" : "redis://") + user;
  if (!user.empty() || !upstream.password.empty()) out += upstream.password.empty() ? ":@" : ":***@";
  const bool is_ipv6 = upstream.host.find(':') != std::string_view::npos;
  out += is_ipv6 ? '[' + upstream.host + ']' : upstream.host;
  out += ':' + std::to_string(upstream.port);
  if (upstream.db != 0) out += '/' + db;
  if (!upstream.pin.empty()) out += "?pin=sha256:" + upstream.pin;
  if (upstream.is_insecure) out += "?insecure=1";
  return out;
}

void mask_url_password(char* text, std::size_t size) noexcept {
  const std::string_view view(text, size);
  const auto mask = [text, size](std::size_t from, std::size_t to) {
    std::fill(text + std::min(from, size), text + std::min(to, size), '*');
  };
  const std::size_t mark = view.find("://");
  const std::size_t start = mark == std::string_view::npos ? 0 : mark + 3;
  if (const std::size_t at = view.rfind('@'); at != std::string_view::npos && at > start) {
    const std::size_t colon = view.find(':', start);
    mask(colon < at ? colon + 1 : start, at);
  }
  constexpr std::string_view kParameter = "password=";
  for (std::size_t i = view.find(kParameter, start); i != std::string_view::npos; i = view.find(kParameter, i)) {
    i += kParameter.size();
    mask(i, std::min(view.find('&', i), size));
  }
}

}  // namespace anteroom::config
