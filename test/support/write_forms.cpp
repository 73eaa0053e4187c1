#include <array>
#include <numeric>

#include "support/writer.hpp"

namespace anteroom::test {
namespace {

using Commands = WriteForm::Commands;
using Job = WriteForm::Job;
using enum WriteForm::Keys;

constexpr const char* kDeclared =
    "for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i]) end return redis.status_reply('OK')";
constexpr const char* kUndeclared =
    "for i = 1, #ARGV, 2 do redis.call('SET', ARGV[i], ARGV[i + 1]) end return redis.status_reply('OK')";

std::vector<std::string> with_keys(std::vector<std::string> command, const Job& job) {
  command.insert(command.end(), job.keys.begin(), job.keys.end());
  return command;
}

std::vector<std::string> with_pairs(std::vector<std::string> command, const Job& job) {
  for (std::size_t i = 0; i < job.keys.size(); ++i) command.insert(command.end(), {job.keys[i], job.values[i]});
  return command;
}

Commands declared_script(const Job& job) {
  std::vector<std::string> command = with_keys({"EVAL", kDeclared, std::to_string(job.keys.size())}, job);
  command.insert(command.end(), job.values.begin(), job.values.end());
  return {command};
}

Commands transaction(const Job& job) {
  Commands commands{{"MULTI"}};
  for (std::size_t i = 0; i < job.keys.size(); ++i) commands.push_back({"SET", job.keys[i], job.values[i]});
  commands.push_back({"EXEC"});
  return commands;
}

// No reader ever looks at these two.
std::string aside(const Job& job) { return "aside." + job.keys[0]; }
std::string trash(const Job& job) { return "trash." + job.keys[0]; }

Commands set_aside(const Job& job) { return {{"SET", aside(job), job.values[0]}}; }

// A script whose keys are not declared makes a front-end drop all that it has: more than a few in a second, and nothing
// would grow old enough to be served late.
constexpr std::array kForms = std::to_array<WriteForm>({
    {"set", 160, kSingle, false, false, [](const Job& job) -> Commands { return {with_pairs({"SET"}, job)}; }},
    {"set_px", 100, kSingle, false, true,
     [](const Job& job) -> Commands { return {{"SET", job.keys[0], job.values[0], "PX", job.ttl_ms}}; }},
    {"psetex", 100, kSingle, false, true,
     [](const Job& job) -> Commands { return {{"PSETEX", job.keys[0], job.ttl_ms, job.values[0]}}; }},
    {"set_get", 60, kSingle, false, false,
     [](const Job& job) -> Commands { return {{"SET", job.keys[0], job.values[0], "GET"}}; }},
    {"getdel", 60, kSingle, true, false, [](const Job& job) -> Commands { return {{"GETDEL", job.keys[0]}}; }},
    {"rename_onto", 60, kSingle, false, false,
     [](const Job& job) -> Commands { return {{"RENAME", aside(job), job.keys[0]}}; }, set_aside},
    {"copy_onto", 60, kSingle, false, false,
     [](const Job& job) -> Commands { return {{"COPY", aside(job), job.keys[0], "REPLACE"}}; }, set_aside},
    {"rename_away", 40, kSingle, true, false,
     [](const Job& job) -> Commands { return {{"RENAME", job.keys[0], trash(job)}}; }},
    {"mset", 200, kWholeGroup, false, false, [](const Job& job) -> Commands { return {with_pairs({"MSET"}, job)}; }},
    {"del", 60, kWholeGroup, true, false, [](const Job& job) -> Commands { return {with_keys({"DEL"}, job)}; }},
    {"unlink", 40, kWholeGroup, true, false, [](const Job& job) -> Commands { return {with_keys({"UNLINK"}, job)}; }},
    {"script", 60, kWholeGroup, false, false, declared_script},
    {"script_undeclared", 2, kWholeGroup, false, false,
     [](const Job& job) -> Commands { return {with_pairs({"EVAL", kUndeclared, "0"}, job)}; }},
    {"transaction", 60, kWholeGroup, false, false, transaction},
});

}  // namespace

std::span<const WriteForm> write_forms() { return kForms; }

const WriteForm& draw_form(Random& random) {
  const auto add = [](unsigned sum, const WriteForm& form) { return sum + form.weight; };
  static const unsigned all = std::accumulate(kForms.begin(), kForms.end(), 0U, add);
  auto left = static_cast<unsigned>(random() % all);
  auto form = kForms.begin();
  for (; left >= form->weight; ++form) left -= form->weight;
  return *form;
}

}  // namespace anteroom::test
