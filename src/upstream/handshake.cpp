#include "upstream/handshake.hpp"

#include <array>
#include <vector>

#include "base/check.hpp"
#include "resp/value.hpp"
#include "resp/writer.hpp"

namespace anteroom::upstream {
namespace {

// Shown in the server's CLIENT LIST, so that an operator can tell our links from applications.
constexpr std::string_view kClientName = "anteroom";

std::string_view error_text(std::string_view reply) {
  reply.remove_prefix(1);
  if (reply.ends_with("\r\n")) reply.remove_suffix(2);
  return reply;
}

}  // namespace

Handshake::Handshake(const Credentials& credentials, int db, resp::Protocol protocol)
    : selects_db_(db != 0), needs_hello_(protocol == resp::Protocol::kResp3) {
  stage_ = credentials.are_given() ? Stage::kAuth : Stage::kHello;
  if (stage_ == Stage::kAuth) {
    std::vector<std::string_view> auth{"AUTH"};
    if (!credentials.user.empty()) auth.emplace_back(credentials.user);
    auth.emplace_back(credentials.password);
    resp::append_command(request_, auth);
  }
  resp::append_command(request_, std::array<std::string_view, 2>{"HELLO", needs_hello_ ? "3" : "2"});
  resp::append_command(request_, std::array<std::string_view, 3>{"CLIENT", "SETNAME", kClientName});
  if (selects_db_) {
    const std::string number = std::to_string(db);
    resp::append_command(request_, std::array<std::string_view, 2>{"SELECT", number});
  }
}

Handshake::Stage Handshake::after(Stage stage) const noexcept {
  switch (stage) {
    case Stage::kAuth:
      return Stage::kHello;
    case Stage::kHello:
      return Stage::kSetName;
    case Stage::kSetName:
      return selects_db_ ? Stage::kSelect : Stage::kDone;
    case Stage::kSelect:
    case Stage::kDone:
      break;
  }
  return Stage::kDone;
}

Handshake::Step Handshake::on_reply(std::string_view reply) {
  ANTEROOM_CHECK(stage_ != Stage::kDone && !reply.empty());
  if (reply.front() == '-' && !accept_error(error_text(reply))) return Step::kFailed;
  if (stage_ == Stage::kHello) take_hello(reply);
  stage_ = after(stage_);
  return stage_ == Stage::kDone ? Step::kDone : Step::kMore;
}

void Handshake::take_hello(std::string_view reply) {
  const auto value = resp::parse_value(reply);
  if (!value) return;
  if (const resp::Value* const version = value->find("version")) version_ = version->text;
  if (const resp::Value* const id = value->find("id")) client_id_ = std::to_string(id->integer);
}

bool Handshake::accept_error(std::string_view error) {
  // Sent unasked for when the server is full, and then it closes: says nothing about the command.
  if (error.starts_with("ERR max number of clients")) {
    error_ = base::StagedError::connect_failed(base::Stage::kHandshake, "max number of clients reached", {});
    return false;
  }
  if (error.starts_with("DENIED")) {
    error_ = base::StagedError::handshake_refused(error);
    return false;
  }
  switch (stage_) {
    case Stage::kAuth:
      error_ = base::StagedError::authentication_failed(error);
      return false;
    case Stage::kHello:
    case Stage::kSetName:
      if (error.starts_with("NOAUTH")) {
        error_ = base::StagedError::authentication_failed(error);
        return false;
      }
      if (needs_hello_ && stage_ == Stage::kHello) {
        error_ = base::StagedError::handshake_refused(error);
        return false;
      }
      return true;  // an ACL or an old server may refuse either, and we can do without
    case Stage::kSelect:
      error_ = base::StagedError::verbatim(error);
      return false;
    case Stage::kDone:
      break;
  }
  return false;
}

}  // namespace anteroom::upstream
