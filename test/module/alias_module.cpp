// A Redis module for end-to-end tests: commands that the front-end's table cannot know. Each argument of `loadmodule`
// makes one, as "NAME/FLAGS/KEYS/TARGET": NAME runs TARGET with the same arguments; KEYS is "first,last,step". TARGET
// "wait-pop" is LPOP of the first argument that waits for as long as it takes.
//
// Debian has no redismodule.h, so what is used of its interface is declared here (module API version 1).
#include <charconv>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Context;
struct String;
struct CallReply;
struct BlockedClient;

constexpr int kOk = 0;
constexpr int kError = 1;
constexpr int kApiVersion = 1;

using Command = int (*)(Context*, String**, int);

int (*set_attributes)(Context*, const char* name, int version, int api_version);
int (*create_command)(Context*, const char* name, Command, const char* flags, int first, int last, int step);
const char* (*string_of)(const String*, std::size_t* size);
CallReply* (*call)(Context*, const char* command, const char* format, ...);
int (*call_reply_type)(CallReply*);
int (*reply_with_call_reply)(Context*, CallReply*);
int (*reply_with_error)(Context*, const char* error);
int (*reply_with_null)(Context*);
void (*free_call_reply)(CallReply*);
BlockedClient* (*block_on_keys)(Context*, Command reply, Command timeout, void (*free_data)(Context*, void*),
                                long long timeout_ms, String** keys, int count, void* data);

constexpr int kReplyNull = 4;
constexpr int kReplyUnknown = -1;

std::map<std::string, std::string>& targets() {
  static std::map<std::string, std::string> all;
  return all;
}

std::string text_of(const String* text) {
  std::size_t size = 0;
  const char* const bytes = string_of(text, &size);
  return {bytes, size};
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return text;
}

int pass_on(Context* context, CallReply* reply) {
  if (reply == nullptr || call_reply_type(reply) == kReplyUnknown) return reply_with_error(context, "ERR call failed");
  const int result = reply_with_call_reply(context, reply);
  free_call_reply(reply);
  return result;
}

/// Also when a key that it waits for has been written; answering nothing means to go on waiting.
int pop(Context* context, String** args, int count) {
  CallReply* const reply = call(context, "LPOP", "v", args + 1, static_cast<std::size_t>(count - 1));
  if (reply != nullptr && call_reply_type(reply) != kReplyNull) return pass_on(context, reply);
  if (reply != nullptr) free_call_reply(reply);
  return kError;
}

int end_wait(Context* context, String**, int) { return reply_with_null(context); }

int run(Context* context, String** args, int count) {
  const std::string target = targets()[lower(text_of(args[0]))];
  if (target != "wait-pop") {
    return pass_on(context, call(context, target.c_str(), "v", args + 1, static_cast<std::size_t>(count - 1)));
  }
  if (count != 2) return reply_with_error(context, "ERR wrong number of arguments");
  if (pop(context, args, count) != kOk) block_on_keys(context, pop, end_wait, nullptr, 0, args + 1, 1, nullptr);
  return kOk;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

int number(const std::string& text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

int add_alias(Context* context, const std::string& description) {
  const std::vector<std::string> parts = split(description, '/');
  if (parts.size() != 4) return kError;
  const std::vector<std::string> keys = split(parts[2], ',');
  if (keys.size() != 3) return kError;
  std::string flags = parts[1];
  for (char& c : flags) {
    if (c == '+') c = ' ';
  }
  targets()[lower(parts[0])] = parts[3];
  return create_command(context, parts[0].c_str(), run, flags.c_str(), number(keys[0]), number(keys[1]),
                        number(keys[2]));
}

template <typename Function>
bool find(Context* context, const char* name, Function& out) {
  using Find = int (*)(const char* name, void** out);
  // The first word of the context is the function that finds the others.
  Find get = nullptr;
  __builtin_memcpy(&get, context, sizeof get);
  void* found = nullptr;
  if (get(name, &found) != kOk) return false;
  __builtin_memcpy(&out, &found, sizeof out);
  return true;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int RedisModule_OnLoad(Context* context, String** args, int count) {
  const bool has_all = find(context, "RedisModule_SetModuleAttribs", set_attributes) &&
                       find(context, "RedisModule_CreateCommand", create_command) &&
                       find(context, "RedisModule_StringPtrLen", string_of) &&
                       find(context, "RedisModule_Call", call) &&
                       find(context, "RedisModule_CallReplyType", call_reply_type) &&
                       find(context, "RedisModule_ReplyWithCallReply", reply_with_call_reply) &&
                       find(context, "RedisModule_ReplyWithError", reply_with_error) &&
                       find(context, "RedisModule_ReplyWithNull", reply_with_null) &&
                       find(context, "RedisModule_FreeCallReply", free_call_reply) &&
                       find(context, "RedisModule_BlockClientOnKeys", block_on_keys);
  if (!has_all) return kError;
  set_attributes(context, "alias", 1, kApiVersion);
  for (int i = 0; i < count; ++i) {
    if (add_alias(context, text_of(args[i])) != kOk) return kError;
  }
  return kOk;
}
