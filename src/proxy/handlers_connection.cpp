// Commands about the connection, answered here: the session is ours, not the server's. Texts are Redis 7.0's.
#include <array>
#include <limits>
#include <optional>
#include <string>

#include "base/ascii.hpp"
#include "base/parse_int.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/handlers.hpp"
#include "proxy/session.hpp"
#include "resp/value.hpp"
#include "resp/writer.hpp"
#include "upstream/server_facts.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kBadName = "ERR Client names cannot contain spaces, newlines or special characters.";
constexpr std::string_view kHelloNeedsAuth =
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> "
    "option can be used to authenticate the client and select the RESP protocol version at the same time";

void handle_ping(Session& session, const Request& request) {
  if (request.args.size() > 2) {
    session.refuse(request, "ERR wrong number of arguments for 'ping' command");
  } else if (session.is_subscribed() && session.protocol() == resp::Protocol::kResp2) {
    // In the form of a message, because such a client expects nothing else.
    std::string reply;
    resp::append_command(
        reply, std::array{std::string_view("pong"), request.args.size() == 2 ? request.args[1] : std::string_view()});
    session.answer(request, reply);
  } else if (request.args.size() == 2) {
    std::string reply;
    resp::append_bulk(reply, request.args[1]);
    session.answer(request, reply);
  } else {
    session.answer(request, "+PONG\r\n");
  }
}

void handle_echo(Session& session, const Request& request) {
  std::string reply;
  resp::append_bulk(reply, request.args[1]);
  session.answer(request, reply);
}

void handle_quit(Session& session, const Request& request) {
  session.answer(request, kOk);
  session.close_after_replies();
}

void handle_reset(Session& session, const Request& request) {
  if (!session.may_change_link(request)) return;
  session.reset_state();
  session.answer(request, "+RESET\r\n");
}

void handle_cluster_mode(Session& session, const Request& request) {
  session.answer_error(request, "ERR This instance has cluster support disabled");
}

// --- SELECT ---

// Only the server knows how many dbs it has. The links are per db, so the SELECT is sent on the link of the db it
// names: there it changes nothing, and whether that link could be made is the answer. What was sent on the old link
// must have its reply by then, because two links keep no order.
void handle_select(Session& session, const Request& request) {
  const auto db = base::parse_int(request.args[1]);
  if (!db) {
    session.answer_error(request, "ERR value is not an integer or out of range");
  } else if (*db < std::numeric_limits<int>::min() || *db > std::numeric_limits<int>::max()) {
    session.answer_error(request, "ERR value is out of range, value must between -2147483648 and 2147483647");
  } else if (*db < 0) {
    session.answer_error(request, "ERR DB index is out of range");
  } else if (*db == session.db()) {
    session.answer(request, kOk);
  } else if (session.may_change_link(request)) {
    upstream::Lane lane = session.lane();
    lane.db = static_cast<int>(*db);
    const auto slot = session.services().forwarder.forward_with(
        session, request, lane,
        [wanted = static_cast<int>(*db)](Session& answered, ReplyQueue::Slot own, std::string&& reply) {
          if (reply == kOk) answered.set_db(wanted);
          answered.on_forwarded_reply(own, reply);
        });
    session.wait_for(slot);
  }
}

// --- HELLO and AUTH ---

bool is_valid_name(std::string_view name) {
  for (const char c : name) {
    if (c < '!' || c > '~') return false;
  }
  return true;
}

void handle_auth(Session& session, const Request& request) {
  const auto is_done = [](Session&) { return std::string(kOk); };
  if (request.args.size() > 3) {
    session.answer_error(request, "ERR syntax error");
  } else if (request.args.size() == 2) {
    session.log_in(request, std::nullopt, request.args[1], is_done);
  } else {
    session.log_in(request, request.args[1], request.args[2], is_done);
  }
}

std::string hello_reply(const Session& session, const std::string& version) {
  std::string reply;
  resp::append_map_header(reply, 7, session.protocol());
  const auto field = [&reply](std::string_view name, std::string_view value) {
    resp::append_bulk(reply, name);
    resp::append_bulk(reply, value);
  };
  field("server", "redis");
  field("version", version);
  resp::append_bulk(reply, "proto");
  resp::append_integer(reply, static_cast<int>(session.protocol()));
  resp::append_bulk(reply, "id");
  resp::append_integer(reply, static_cast<std::int64_t>(session.client_id()));
  field("mode", "standalone");
  field("role", "master");
  resp::append_bulk(reply, "modules");
  resp::append_array_header(reply, 0);
  return reply;
}

/// The options of HELLO behind the version.
struct HelloOptions {
  std::optional<std::string_view> user;
  std::string_view password;
  std::optional<std::string_view> name;
  bool is_name_first = false;  // before AUTH
  std::string error;           // not empty: what to answer
};

HelloOptions parse_hello(std::span<const std::string_view> args) {
  HelloOptions options;
  for (std::size_t i = 2; i < args.size(); ++i) {
    const std::size_t left = args.size() - 1 - i;
    if (base::equals_ignore_case(args[i], "AUTH") && left >= 2) {
      options.user = args[i + 1];
      options.password = args[i + 2];
      i += 2;
    } else if (base::equals_ignore_case(args[i], "SETNAME") && left >= 1) {
      options.name = args[i + 1];
      options.is_name_first = !options.user;
      i += 1;
    } else {
      options.error = "ERR Syntax error in HELLO option '" + std::string(args[i]) + "'";
      return options;
    }
  }
  return options;
}

bool is_offered(Session& session, std::int64_t version) {
  return version == 2 || (version == 3 && session.services().server_facts.speaks_resp3());
}

std::string greet(Session& session, resp::Protocol protocol, std::optional<std::string_view> name) {
  std::string reply;
  if (name && !is_valid_name(*name)) {
    resp::append_error(reply, kBadName);
    return reply;
  }
  session.set_protocol(protocol);
  if (name) session.set_name(*name);
  return hello_reply(session, session.services().server_facts.version());
}

void handle_hello(Session& session, const Request& request) {
  HelloOptions options;
  auto protocol = session.protocol();
  if (request.args.size() >= 2) {
    const auto version = base::parse_int(request.args[1]);
    if (!version) {
      session.answer_error(request, "ERR Protocol version is not an integer or out of range");
      return;
    }
    if (!is_offered(session, *version)) {
      session.answer_error(request, "NOPROTO unsupported protocol version");
      return;
    }
    protocol = resp::Protocol{static_cast<std::uint8_t>(*version)};
    options = parse_hello(request.args);
  }
  if (!options.error.empty()) {
    session.answer_error(request, options.error);
    return;
  }
  // As in Redis, the options take effect in their order, whatever becomes of those behind them.
  if (options.name && options.is_name_first) {
    if (!is_valid_name(*options.name)) {
      session.answer_error(request, kBadName);
      return;
    }
    session.set_name(*options.name);
  }
  if (options.user) {
    if (!session.may_change_link(request)) return;
    session.log_in(request, options.user, options.password,
                   [protocol, name = options.name ? std::optional<std::string>(*options.name) : std::nullopt](
                       Session& logged_in) { return greet(logged_in, protocol, name); });
  } else if (!session.is_authenticated()) {
    session.answer_error(request, kHelloNeedsAuth);
  } else if (protocol == session.protocol() || session.may_change_link(request)) {
    session.answer(request, greet(session, protocol, options.name));
  }
}

void handle_whoami(Session& session, const Request& request) {
  if (!session.has_own_user()) {
    handle_forward(session, request);
    return;
  }
  std::string reply;
  resp::append_bulk(reply, session.user_name());
  session.answer(request, reply);
}

// --- INFO ---

/// The sections of ours that the request asks for; empty if there are none.
std::string own_sections(const InfoSource& info, std::span<const std::string_view> args) {
  bool wants_anteroom = args.size() == 1;
  bool wants_cache = args.size() == 1;
  for (const std::string_view section : args.subspan(1)) {
    for (const std::string_view name : {"default", "all", "everything"}) {
      if (base::equals_ignore_case(section, name)) wants_anteroom = wants_cache = true;
    }
    if (base::equals_ignore_case(section, "anteroom")) wants_anteroom = true;
    if (base::equals_ignore_case(section, "cache")) wants_cache = true;
  }
  std::string text;
  if (wants_anteroom) text += info.anteroom_section();
  if (wants_anteroom && wants_cache) text += "\r\n";
  if (wants_cache) text += info.cache_section();
  return text;
}

/// Nothing but sections of ours is asked for: answered also while the upstream is down.
bool wants_only_own_sections(std::span<const std::string_view> args) {
  for (const std::string_view section : args.subspan(1)) {
    if (!base::equals_ignore_case(section, "anteroom") && !base::equals_ignore_case(section, "cache")) return false;
  }
  return args.size() > 1;
}

constexpr std::string_view kVerbatimMark = "txt:";

/// `reply` is the server's text; anything else (an error) is passed on as it is.
std::string with_own_section(std::string&& reply, const std::string& section) {
  const auto value = resp::parse_value(reply);
  const bool is_verbatim = value && value->type == resp::Value::Type::kVerbatim;
  if (!is_verbatim && (!value || value->type != resp::Value::Type::kBulk)) return std::move(reply);
  std::string text = value->text.substr(is_verbatim ? kVerbatimMark.size() : 0);
  if (!text.empty()) text += "\r\n";
  text += section;
  std::string joined;
  resp::append_verbatim(joined, "txt", text, is_verbatim ? resp::Protocol::kResp3 : resp::Protocol::kResp2);
  return joined;
}

void handle_info(Session& session, const Request& request) {
  const InfoSource& info = session.services().info;
  if (wants_only_own_sections(request.args)) {
    std::string reply;
    resp::append_verbatim(reply, "txt", own_sections(info, request.args), session.protocol());
    session.answer(request, reply);
    return;
  }
  std::string own = own_sections(info, request.args);
  if (own.empty()) {
    handle_forward(session, request);
    return;
  }
  if (!session.may_forward(request)) return;
  session.services().forwarder.forward_with(
      session, request, session.lane(),
      [own = std::move(own)](Session& answered, ReplyQueue::Slot slot, std::string&& reply) {
        answered.on_forwarded_reply(slot, with_own_section(std::move(reply), own));
      });
}

constexpr std::array kHandlers = std::to_array<HandlerRegistry::Registration>({
    {"ping", handle_ping},
    {"echo", handle_echo},
    {"quit", handle_quit},
    {"reset", handle_reset},
    {"select", handle_select},
    {"auth", handle_auth},
    {"hello", handle_hello},
    {"acl|whoami", handle_whoami},
    {"readonly", handle_cluster_mode},
    {"readwrite", handle_cluster_mode},
    {"asking", handle_cluster_mode},
    {"info", handle_info},
});

}  // namespace

void handle_unsupported_session_command(Session& session, const Request& request) {
  session.refuse(request, "ERR anteroom: '" + std::string(request.lookup.facts->name) +
                              "' is not offered (stage=policy executed=no)");
}

std::span<const HandlerRegistry::Registration> connection_handlers() noexcept { return kHandlers; }

std::span<const HandlerRegistry::Registration> built_in_handlers() noexcept {
  static const auto all = [] {
    std::vector<HandlerRegistry::Registration> joined;
    for (const auto part : {connection_handlers(), client_handlers(), clients_handlers(), data_handlers(),
                            read_handlers(), pinned_handlers(), pubsub_handlers(), anteroom_handlers()}) {
      joined.insert(joined.end(), part.begin(), part.end());
    }
    return joined;
  }();
  return all;
}

}  // namespace anteroom::proxy
