#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/descriptor.hpp"
#include "config/error.hpp"
#include "config/json_file.hpp"
#include "config/options.hpp"
#include "config/origin.hpp"

/// `listen.listeners`: the one option that is a list of objects, and therefore has no flag and no variable.
namespace anteroom::config {

inline constexpr std::string_view kListenersPath = "listen.listeners";

/// A member of such an object. Its descriptor has no flag, and no read and store of its own.
struct ListenerMember {
  Descriptor form{};
  std::string_view types{};  ///< where it has a meaning: "tcp tls"
  Value (*read)(const ListenerOptions&) = nullptr;
  void (*store)(ListenerOptions&, const Value&) = nullptr;

  [[nodiscard]] bool is_for(ListenerType type) const;
};

/// In the order of the reference.
[[nodiscard]] std::span<const ListenerMember> listener_members();

/// From the file: fills `listen.listeners` and says in `origins` what was given.
void take_listeners(const Setting& setting, const std::string& file, ListenOptions& listen, Origins& origins,
                    Errors& errors);

/// What is missing, contradicts the type or clashes, in the listeners of the file and those of the simple options.
/// Nothing is looked at if an option of `listen` is wrong already.
void check_listeners(const ListenOptions& listen, const Origins& origins, Errors& errors);

/// The listeners of the simple options, then those of the list.
[[nodiscard]] std::vector<ListenerOptions> all_listeners(const ListenOptions& listen);

}  // namespace anteroom::config
