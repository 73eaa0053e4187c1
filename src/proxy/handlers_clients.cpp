// CLIENT subcommands about other clients: of all workers. Texts are Redis 7.0's.
#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ascii.hpp"
#include "base/parse_int.hpp"
#include "proxy/client_mesh.hpp"
#include "proxy/client_pause.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/handlers.hpp"
#include "proxy/services.hpp"
#include "proxy/session.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kSyntaxError = "ERR syntax error";

/// Which clients are meant. What is not set does not matter.
struct Filter {
  std::vector<std::uint64_t> ids;
  std::string type;
  std::string user;
  std::string address;
  std::string local_address;
  bool has_type = false;
  bool has_user = false;
  bool has_address = false;
  bool has_local_address = false;
  std::optional<std::uint64_t> spared;  // SKIPME

  [[nodiscard]] bool covers(const Session& session) const {
    if (spared == session.client_id()) return false;
    if (!ids.empty() && std::ranges::find(ids, session.client_id()) == ids.end()) return false;
    if (has_type && type != session.type_name()) return false;
    if (has_user && user != session.user_name()) return false;
    if (has_address && address != session.address()) return false;
    return !has_local_address || local_address == session.local_address();
  }
};

bool is_type(std::string_view type) {
  return base::equals_ignore_case(type, "normal") || base::equals_ignore_case(type, "pubsub") ||
         base::equals_ignore_case(type, "master") || base::equals_ignore_case(type, "replica") ||
         base::equals_ignore_case(type, "slave");
}

std::string unknown_type(std::string_view type) { return "ERR Unknown client type '" + std::string(type) + "'"; }

/// Answers once all workers have: `reply` makes the bytes from what they said. Until then the session waits.
void ask_all_workers(Session& session, const Request& request, ClientMesh::Question question,
                     std::function<std::string(Session&, const ClientMesh::Part&)> reply) {
  Services& services = session.services();
  const ReplyQueue::Slot slot = session.expect_forwarded(request);
  services.clients.ask_all(
      services.worker, std::move(question),
      [&sessions = services.sessions, id = session.id(), slot, reply = std::move(reply)](const ClientMesh::Part& part) {
        Session* const asker = sessions.find(id);
        if (asker != nullptr) asker->on_forwarded_reply(slot, reply(*asker, part));
      });
  session.wait_for(slot);
}

// --- CLIENT LIST ---

/// An error, or nothing.
std::string parse_list(std::span<const std::string_view> args, Filter& filter) {
  if (args.size() == 2) return {};
  if (args.size() == 4 && base::equals_ignore_case(args[2], "TYPE")) {
    if (!is_type(args[3])) return unknown_type(args[3]);
    filter.has_type = true;
    filter.type = base::lowercase(args[3]);
    return {};
  }
  if (args.size() < 4 || !base::equals_ignore_case(args[2], "ID")) return std::string(kSyntaxError);
  for (const std::string_view arg : args.subspan(3)) {
    const auto id = base::parse_int(arg);
    if (!id) return "ERR Invalid client ID";
    filter.ids.push_back(static_cast<std::uint64_t>(*id));
  }
  return {};
}

void handle_list(Session& session, const Request& request) {
  Filter filter;
  if (const std::string error = parse_list(request.args, filter); !error.empty()) {
    session.answer_error(request, error);
    return;
  }
  if (!session.may_forward(request)) return;
  ask_all_workers(
      session, request,
      [filter = std::move(filter)](Services& services) {
        ClientMesh::Part part;
        services.sessions.for_each([&](Session& each) {
          if (filter.covers(each)) part.lines.emplace_back(each.client_id(), each.describe());
        });
        return part;
      },
      [](Session& asker, const ClientMesh::Part& part) {
        std::string text;
        for (const auto& [id, line] : part.lines) text += line;
        std::string reply;
        resp::append_verbatim(reply, "txt", text, asker.protocol());
        return reply;
      });
}

// --- CLIENT KILL ---

/// Options in pairs. An error, or nothing.
std::string parse_kill(Session& session, std::span<const std::string_view> args, Filter& filter) {
  bool skips_me = true;
  if (args.size() % 2 != 0) return std::string(kSyntaxError);
  for (std::size_t i = 2; i < args.size(); i += 2) {
    const std::string_view value = args[i + 1];
    if (base::equals_ignore_case(args[i], "ID")) {
      const auto id = base::parse_int(value);
      if (!id || *id < 1) return "ERR client-id should be greater than 0";
      filter.ids = {static_cast<std::uint64_t>(*id)};
    } else if (base::equals_ignore_case(args[i], "TYPE")) {
      if (!is_type(value)) return unknown_type(value);
      filter.has_type = true;
      filter.type = base::lowercase(value);
    } else if (base::equals_ignore_case(args[i], "ADDR")) {
      filter.has_address = true;
      filter.address = value;
    } else if (base::equals_ignore_case(args[i], "LADDR")) {
      filter.has_local_address = true;
      filter.local_address = value;
    } else if (base::equals_ignore_case(args[i], "USER")) {
      if (!session.services().info.has_user(value)) return "ERR No such user '" + std::string(value) + "'";
      filter.has_user = true;
      filter.user = value;
    } else if (base::equals_ignore_case(args[i], "SKIPME")) {
      if (!base::equals_ignore_case(value, "yes") && !base::equals_ignore_case(value, "no")) {
        return std::string(kSyntaxError);
      }
      skips_me = base::equals_ignore_case(value, "yes");
    } else {
      return std::string(kSyntaxError);
    }
  }
  if (skips_me) filter.spared = session.client_id();
  return {};
}

void handle_kill(Session& session, const Request& request) {
  Filter filter;
  const bool is_old_form = request.args.size() == 3;
  if (is_old_form) {
    filter.has_address = true;
    filter.address = request.args[2];
  } else if (const std::string error = parse_kill(session, request.args, filter); !error.empty()) {
    session.answer_error(request, error);
    return;
  }
  if (!session.may_forward(request)) return;
  const bool hits_itself = filter.covers(session);
  ask_all_workers(
      session, request,
      [filter = std::move(filter), own = session.client_id()](Services& services) {
        ClientMesh::Part part;
        services.sessions.for_each([&](Session& each) {
          if (!filter.covers(each)) return;
          ++part.count;
          if (each.client_id() != own) each.close();  // the asker goes when it has its reply
        });
        return part;
      },
      [is_old_form, hits_itself](Session& asker, const ClientMesh::Part& part) {
        if (hits_itself) asker.close_after_replies();
        std::string reply;
        if (!is_old_form) {
          resp::append_integer(reply, part.count);
        } else if (part.count > 0) {
          reply = kOk;
        } else {
          resp::append_error(reply, "ERR No such client");
        }
        return reply;
      });
}

// --- CLIENT PAUSE ---

void handle_pause(Session& session, const Request& request) {
  auto mode = ClientPause::Mode::kAll;
  if (request.args.size() > 4) {
    session.answer_error(request, "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.");
    return;
  }
  if (request.args.size() == 4) {
    if (base::equals_ignore_case(request.args[3], "WRITE")) {
      mode = ClientPause::Mode::kWrites;
    } else if (!base::equals_ignore_case(request.args[3], "ALL")) {
      session.answer_error(request, "ERR CLIENT PAUSE mode must be WRITE or ALL");
      return;
    }
  }
  const auto time = base::parse_int(request.args[2]);
  constexpr std::int64_t kMillisecondsMax = std::int64_t{1} << 42;  // a hundred years: the clock's own range is limited
  if (!time) {
    session.answer_error(request, "ERR timeout is not an integer or out of range");
  } else if (*time < 0) {
    session.answer_error(request, "ERR timeout is negative");
  } else {
    const base::TimePoint now = session.services().loop.now();
    session.services().pause.pause().pause(now + base::Milliseconds(std::min(*time, kMillisecondsMax)), mode, now);
    session.answer(request, kOk);
  }
}

void handle_unpause(Session& session, const Request& request) {
  Services& services = session.services();
  services.pause.pause().lift();
  services.clients.ask_all(
      services.worker,
      [](Services& each) {
        each.pause.look_again();
        return ClientMesh::Part{};
      },
      [](const ClientMesh::Part&) {});
  session.answer(request, kOk);
}

// --- CLIENT UNBLOCK ---

void handle_unblock(Session& session, const Request& request) {
  if (request.args.size() > 4) {
    session.answer_error(request,
                         "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.");
    return;
  }
  bool with_error = false;
  if (request.args.size() == 4) {
    with_error = base::equals_ignore_case(request.args[3], "ERROR");
    if (!with_error && !base::equals_ignore_case(request.args[3], "TIMEOUT")) {
      session.answer_error(request, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
      return;
    }
  }
  const auto id = base::parse_int(request.args[2]);
  if (!id) {
    session.answer_error(request, "ERR value is not an integer or out of range");
    return;
  }
  if (!session.may_forward(request)) return;
  ask_all_workers(
      session, request,
      [wanted = static_cast<std::uint64_t>(*id), with_error](Services& services) {
        ClientMesh::Part part;
        services.sessions.for_each([&](Session& each) {
          if (each.client_id() == wanted && each.unblock(with_error)) part.count = 1;
        });
        return part;
      },
      [](Session&, const ClientMesh::Part& part) {
        std::string reply;
        resp::append_integer(reply, part.count);
        return reply;
      });
}

constexpr std::array kHandlers = std::to_array<HandlerRegistry::Registration>({
    {"client|list", handle_list},
    {"client|kill", handle_kill},
    {"client|pause", handle_pause},
    {"client|unpause", handle_unpause},
    {"client|unblock", handle_unblock},
});

}  // namespace

std::span<const HandlerRegistry::Registration> clients_handlers() noexcept { return kHandlers; }

}  // namespace anteroom::proxy
