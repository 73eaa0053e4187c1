#include "support/reply_compare.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

namespace anteroom::test {
namespace {

/// "a=1 b=2\n" becomes "a= b= ", "db0:keys=1,expires=0" becomes "db0: ", and a word alone stays.
std::string names_of_fields(std::string_view text) {
  constexpr std::string_view kBetween = " \r\n";
  std::string out;
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(kBetween), text.size()));
    if (text.empty()) return out;
    const std::string_view word = text.substr(0, text.find_first_of(kBetween));
    const std::size_t mark = word.find_first_of("=:");
    out.append(mark == std::string_view::npos ? word : word.substr(0, mark + 1)) += ' ';
    text.remove_prefix(word.size());
  }
}

}  // namespace

std::string comparable_part(const Reply& reply, Compare compare) {
  if (compare == Compare::kBytes && !reply.raw.empty()) return reply.raw;
  std::string out(1, reply.type);
  if (reply.is_null) return out + "null ";
  if (!std::string_view("*%~>|").contains(reply.type)) {
    if (compare == Compare::kShape) return out + " ";
    return out + bulk(compare == Compare::kFields ? names_of_fields(reply.text) : reply.text);
  }
  std::vector<std::string> items;
  items.reserve(reply.items.size());
  for (const Reply& item : reply.items) items.push_back(comparable_part(item, compare));
  if (compare == Compare::kAnyOrder) std::ranges::sort(items);
  out += std::to_string(items.size()) + "[ ";
  for (const std::string& item : items) out += item;
  return out + "] ";
}

}  // namespace anteroom::test
