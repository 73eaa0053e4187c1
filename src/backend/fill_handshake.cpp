#include "backend/fill_handshake.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace anteroom::backend {
namespace {

// Shown in the server's CLIENT LIST.
constexpr std::string_view kClientName = "anteroom-fill";

using Version = std::array<int, 3>;
// Before it, Redis may write an invalidation into the middle of another reply (redis#8935, redis#9422).
constexpr Version kTrackingSince{6, 2, 7};

Version parse_version(std::string_view text) {
  Version version{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int& part : version) {
    const auto [stopped, error] = std::from_chars(at, end, part);
    if (error != std::errc{}) break;
    at = stopped;
    if (at != end && *at == '.') ++at;
  }
  return version;
}

/// Valkey's versions go on where Redis's were good.
bool tracks_reliably(std::string_view server, std::string_view version) {
  return server != "redis" || parse_version(version) >= kTrackingSince;
}

/// Says that the server takes nobody in or is not ready yet, and nothing about the command: to be tried again. PING is
/// not answered while a server loads its data, HELLO and CLIENT TRACKING are.
bool is_refusal(std::string_view error) {
  for (const std::string_view start : {"DENIED", "LOADING", "MASTERDOWN", "BUSY "}) {
    if (error.starts_with(start)) return true;
  }
  return false;
}

}  // namespace

FillHandshake::FillHandshake(const Credentials& credentials, bool wants_tracking)
    : credentials_(credentials), wants_tracking_(wants_tracking) {}

std::vector<FillHandshake::Command> FillHandshake::commands() const {
  const std::string_view user = credentials_.user.empty() ? std::string_view("default") : credentials_.user;
  switch (stage_) {
    case Stage::kHello:
      if (!credentials_.are_given()) return {{"HELLO", "3", "SETNAME", kClientName}};
      return {{"HELLO", "3", "AUTH", user, credentials_.password, "SETNAME", kClientName}};
    case Stage::kTracking:
      return {{"CLIENT", "TRACKING", "ON"}, {"COMMAND", "INFO", "HPEXPIRE"}, {"PING"}};
    case Stage::kAuth:
      // The form without a user is the one that servers before 6.0 know.
      if (credentials_.user.empty()) return {{"AUTH", credentials_.password}, {"CLIENT", "SETNAME", kClientName}};
      return {{"AUTH", user, credentials_.password}, {"CLIENT", "SETNAME", kClientName}};
    case Stage::kSetName:
      // Also the probe for a server that wants a password that we do not have.
      return {{"CLIENT", "SETNAME", kClientName}};
    case Stage::kHashFields:
    case Stage::kFence:
      break;
  }
  return {};
}

FillHandshake::Step FillHandshake::on_reply(const Reply& reply) {
  if (reply.error.starts_with("ERR max number of clients")) {
    return fail(base::StagedError::connect_failed(base::Stage::kHandshake, "max number of clients reached", {}));
  }
  if (is_refusal(reply.error)) return fail(base::StagedError::handshake_refused(reply.error));
  const bool is_login = stage_ == Stage::kAuth && !reply.error.empty();
  if (is_login || reply.error.starts_with("NOAUTH") || reply.error.starts_with("WRONGPASS")) {
    return fail(base::StagedError::authentication_failed(reply.error));
  }
  switch (stage_) {
    case Stage::kHello:
      return after_hello(reply);
    case Stage::kTracking:
      greeting_.tracks = reply.error.empty();
      greeting_.why_not = reply.error;
      stage_ = Stage::kHashFields;
      return Step::kMore;
    case Stage::kHashFields:
      // Who may not ask has to fear the worst.
      greeting_.expires_hash_fields = reply.lists_a_command || !reply.error.empty();
      stage_ = Stage::kFence;
      return Step::kMore;
    case Stage::kFence:
      if (greeting_.tracks && !reply.error.empty()) {
        greeting_.tracks = false;
        greeting_.why_not = "PING: " + std::string(reply.error);
      }
      return Step::kDone;
    case Stage::kAuth:
      stage_ = Stage::kSetName;
      return Step::kMore;
    case Stage::kSetName:
      break;
  }
  return Step::kDone;  // an ACL or an old server may refuse the name, and we can do without
}

FillHandshake::Step FillHandshake::after_hello(const Reply& reply) {
  if (!reply.error.empty()) return begin_plain(reply.error);
  greeting_.speaks_resp3 = true;
  if (!wants_tracking_) return Step::kDone;
  if (!tracks_reliably(reply.server, reply.version)) {
    greeting_.why_not = "Redis " + std::string(reply.version) + " may garble invalidations; 6.2.7 and later do not";
    return Step::kDone;
  }
  stage_ = Stage::kTracking;
  return Step::kSend;
}

FillHandshake::Step FillHandshake::begin_plain(std::string_view why_not) {
  if (wants_tracking_) greeting_.why_not = "HELLO 3: " + std::string(why_not);
  stage_ = credentials_.are_given() ? Stage::kAuth : Stage::kSetName;
  return Step::kSend;
}

FillHandshake::Step FillHandshake::fail(base::StagedError error) {
  error_ = std::move(error);
  return Step::kFailed;
}

}  // namespace anteroom::backend
