#include "config/descriptor.hpp"

#include <algorithm>

#include "base/ascii.hpp"

namespace anteroom::config {
namespace {

template <typename Predicate>
const Descriptor* find(Predicate predicate) {
  const auto all = descriptors();
  const auto found = std::ranges::find_if(all, predicate);
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

std::string Descriptor::environment_name() const {
  std::string name = "ANTEROOM_" + base::uppercase(flag);
  std::ranges::replace(name, '-', '_');
  return name;
}

const Descriptor* find_by_path(std::string_view path) {
  return find([path](const Descriptor& option) {
    return option.path == path || (!option.old_name.empty() && option.old_name == path);
  });
}

const Descriptor* find_by_flag(std::string_view name) {
  const std::string flag = normalized_flag(name);
  return find([&flag](const Descriptor& option) {
    return option.flag == flag || (!option.old_name.empty() && normalized_flag(option.old_name) == flag);
  });
}

std::string normalized_flag(std::string_view name) {
  std::string flag(name);
  std::ranges::replace(flag, '_', '-');
  return flag;
}

std::string name_and_source(const Options& options, std::string_view path) {
  const auto source = options.sources.find(path);
  return std::string(path) + " (from " + (source == options.sources.end() ? "default" : source->second) + ')';
}

}  // namespace anteroom::config
