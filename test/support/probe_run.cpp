#include "support/probe_run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "command/reply_shape.hpp"
#include "command/table.hpp"
#include "resp/resp2_converter.hpp"
#include "support/reply_compare.hpp"
#include "support/words.hpp"

namespace anteroom::test {
namespace {

const command::Table& table() {
  static const command::Table built = *command::Table::build();
  return built;
}

resp::ReplyShape shape_of(std::string_view line, bool is_queued) {
  const std::vector<std::string> args = words(line);
  const command::Facts* const facts = table().find(views(args)).facts;
  if (facts == nullptr) return {};
  return is_queued ? command::queued_reply_shape(*facts, views(args)) : command::reply_shape(*facts, views(args));
}

/// Shapes of the commands that MULTI queues before the probe.
std::vector<resp::ReplyShape> queued_shapes(const Probe& probe) {
  std::vector<resp::ReplyShape> shapes;
  const auto multi = std::ranges::find(probe.before, std::string_view("MULTI"));
  if (probe.command != "EXEC" || multi == probe.before.end()) return shapes;
  for (auto line = multi + 1; line != probe.before.end(); ++line) shapes.push_back(shape_of(*line, true));
  return shapes;
}

}  // namespace

std::string ask_line(RespClient& client, std::string_view line) {
  const std::vector<std::string> args = words(line);
  const Reply first = client.ask(views(args));
  return first.type == '|' ? first.raw + client.read().raw : first.raw;
}

void set_up(RespClient& client, const ProbeGroup& group, const Probe& probe) {
  client.ask("FLUSHALL");
  for (const char* line : group.setup) {
    const std::string reply = ask_line(client, line);
    EXPECT_FALSE(reply.starts_with('-') || reply.starts_with('<')) << group.name << ": " << line << ": " << reply;
  }
  for (const char* line : probe.before) ask_line(client, line);
}

std::string converted_to_resp2(const Probe& probe, std::string_view reply) {
  resp::Resp2Converter converter;
  converter.reset(shape_of(probe.command, false), queued_shapes(probe));
  std::string out;
  const resp::Resp2Converter::Result result = converter.convert(reply, out);
  const bool is_whole = result.step == resp::Resp2Converter::Step::kReply && result.used == reply.size();
  return is_whole ? out : "<not converted> " + std::string(reply);
}

std::string_view command_with_shape(const Probe& probe, std::string_view reply) {
  resp::Resp2Converter as_typed;
  std::string out;
  if (as_typed.convert(reply, out).step != resp::Resp2Converter::Step::kReply) return {};
  if (out == converted_to_resp2(probe, reply)) return {};
  const std::vector<std::string> args = words(probe.command);
  return table().find(views(args)).facts->name;
}

std::set<std::string_view> commands_with_shape() {
  constexpr std::array<std::string_view, 9> kManyArguments{};
  std::set<std::string_view> names;
  for (const command::Facts& facts : table()) {
    if (command::reply_shape(facts, kManyArguments) != resp::ReplyShape{}) names.insert(facts.name);
  }
  return names;
}

bool only_reads(const Probe& probe) {
  const std::vector<std::string> args = words(probe.command);
  const command::Facts* const facts = table().find(views(args)).facts;
  return facts != nullptr && facts->has(command::kReadonly);
}

std::string comparable(const Probe& probe, const std::string& reply) {
  if (probe.flags == 0 || probe.flags == Probe::kDirect) return reply;
  const ParsedReply parsed = parse_reply(reply);
  if (parsed.status != ParseStatus::kComplete) return reply;
  return comparable_part(parsed.reply, (probe.flags & Probe::kVolatile) != 0 ? Compare::kShape : Compare::kAnyOrder);
}

std::string describe(const ProbeGroup& group, const Probe& probe) {
  std::string text = std::string(group.name) + ": ";
  for (const char* line : probe.before) text.append(line).append("; ");
  return text.append(probe.command);
}

}  // namespace anteroom::test
