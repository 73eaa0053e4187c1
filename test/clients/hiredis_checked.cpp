#include "clients/hiredis_checked.hpp"

#include <unistd.h>

#include <cstddef>
#include <stdexcept>

namespace anteroom::test::clients {
namespace {

std::string show_children(const redisReply& reply, char open, char close) {
  std::string text{open};
  for (std::size_t i = 0; i < reply.elements; ++i) text += (i == 0 ? "" : " ") + show(*reply.element[i]);
  return text + close;
}

}  // namespace

Target& target() {
  static Target only;
  return only;
}

void fail(const std::string& reason) { throw std::runtime_error(reason); }

void same(std::string_view actual, std::string_view expected, std::string_view what) {
  if (actual == expected) return;
  fail(text_of(what, " got <", actual.substr(0, 500), "> instead of <", expected.substr(0, 500), ">"));
}

void holds(bool is_true, const std::string& what) {
  if (!is_true) fail(what);
}

std::string unique_key(std::string_view hint) {
  static int count = 0;
  return text_of("hiredis:", getpid(), ":", hint, ":", ++count);
}

std::string show(const redisReply& reply) {
  const std::string text = reply.str == nullptr ? "" : std::string{reply.str, reply.len};
  switch (reply.type) {
    case REDIS_REPLY_STATUS:
      return "+" + text;
    case REDIS_REPLY_ERROR:
      return "-" + text;
    case REDIS_REPLY_INTEGER:
      return ":" + std::to_string(reply.integer);
    case REDIS_REPLY_STRING:
      return '"' + text + '"';
    case REDIS_REPLY_NIL:
      return "nil";
    case REDIS_REPLY_ARRAY:
      return show_children(reply, '[', ']');
    case REDIS_REPLY_MAP:
      return show_children(reply, '{', '}');
    case REDIS_REPLY_SET:
      return show_children(reply, '(', ')');
    case REDIS_REPLY_PUSH:
      return show_children(reply, '>', '<');
    case REDIS_REPLY_DOUBLE:
      return "," + text;
    case REDIS_REPLY_BOOL:
      return reply.integer != 0 ? "#t" : "#f";
    case REDIS_REPLY_VERB:
      return std::string{"="} + reply.vtype + ":" + text;
    case REDIS_REPLY_BIGNUM:
      return "~" + text;
    default:
      return text_of("?type ", reply.type);
  }
}

Client::Client(timeval patience) {
  const Target& to = target();
  context_.reset(to.port == 0 ? redisConnectUnixWithTimeout(to.host.c_str(), kReplyPatience)
                              : redisConnectWithTimeout(to.host.c_str(), to.port, kReplyPatience));
  if (context_ == nullptr || context_->err != 0)
    fail(std::string{"cannot connect: "} + (context_ == nullptr ? "" : context_->errstr));
  redisSetPushCallback(context_.get(), nullptr);
  redisSetTimeout(context_.get(), patience);
  say_hello();
}

void Client::say_hello() {
  if (is_resp3()) expect_prefix({"HELLO", "3"}, "{\"server\" ");
}

void Client::send(const Words& words) {
  std::vector<const char*> pointers;
  std::vector<std::size_t> lengths;
  for (const std::string& word : words) {
    pointers.push_back(word.data());
    lengths.push_back(word.size());
  }
  const int count = static_cast<int>(words.size());
  if (redisAppendCommandArgv(context_.get(), count, pointers.data(), lengths.data()) != REDIS_OK)
    fail(context_->errstr);
}

void Client::flush() {
  for (int is_done = 0; is_done == 0;) {
    if (redisBufferWrite(context_.get(), &is_done) != REDIS_OK) fail(context_->errstr);
  }
}

std::string Client::read() {
  void* raw = nullptr;
  if (redisGetReply(context_.get(), &raw) != REDIS_OK) fail(std::string{"connection lost: "} + context_->errstr);
  const std::unique_ptr<redisReply, decltype(&freeReplyObject)> reply{static_cast<redisReply*>(raw), freeReplyObject};
  return show(*reply);
}

std::string Client::ask(const Words& words) {
  send(words);
  return read();
}

void Client::expect(const Words& words, std::string_view expected) {
  same(ask(words), expected, words[0] + (words.size() > 1 ? " " + words[1].substr(0, 40) : ""));
}

void Client::expect_prefix(const Words& words, std::string_view prefix) {
  const std::string reply = ask(words);
  same(reply.substr(0, prefix.size()), prefix, words[0] + " in <" + reply.substr(0, 200) + ">");
}

bool Client::is_lost() {
  void* raw = nullptr;
  if (redisGetReply(context_.get(), &raw) != REDIS_OK) return true;
  freeReplyObject(raw);
  return false;
}

void Client::reconnect() {
  holds(redisReconnect(context_.get()) == REDIS_OK, std::string{"cannot reconnect: "} + context_->errstr);
  say_hello();
}

}  // namespace anteroom::test::clients
