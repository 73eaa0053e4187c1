#include <cstdio>
#include <string>

#include "support/history_run.hpp"

namespace anteroom::test {
namespace {

std::string number(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string micros(Instant time) { return number(static_cast<double>(time) / 1'000.0); }

std::string object(const std::map<std::string, std::uint64_t>& counts) {
  std::string text = "{";
  for (const auto& [name, count] : counts) {
    if (text.size() > 1) text += ", ";
    text += "\"" + name + "\": " + std::to_string(count);
  }
  return text + "}";
}

}  // namespace

std::string to_json(const HistoryReport& report) {
  std::string text = "{\n";
  const auto field = [&text](const char* name, const std::string& value) {
    if (text.size() > 2) text += ",\n";
    text.append("  \"").append(name).append("\": ").append(value);
  };
  field("consistency", "\"" + report.consistency + "\"");
  field("seed", std::to_string(report.seed));
  field("seconds", number(report.seconds));
  field("reads", std::to_string(report.reads));
  field("hits", std::to_string(report.hits));
  field("misses", std::to_string(report.misses));
  field("writes", std::to_string(report.writes));
  field("faults", object(report.faults));
  field("counts", object(report.counts));
  field("violations", std::to_string(report.violations));
  field("violations_by_rule", object(report.violations_by_rule));
  field("mixed_reads_out_of_order", std::to_string(report.mixed_reads_out_of_order));
  field("staleness_us", R"({"p50": )" + micros(report.staleness_p50) + R"(, "p99": )" + micros(report.staleness_p99) +
                            R"(, "max": )" + micros(report.staleness_max) + "}");
  return text + "\n}\n";
}

}  // namespace anteroom::test
