#include "config/listeners.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "config/descriptor_builder.hpp"
#include "config/value.hpp"

namespace anteroom::config {
namespace {

using Type = ListenerType;

// Nobody needs more; each costs a descriptor and a place in every message.
constexpr std::size_t kListenersMax = 64;

template <auto Member>
ListenerMember member(std::string_view types, Descriptor form) {
  using Held = std::remove_cvref_t<decltype(std::declval<ListenerOptions&>().*Member)>;
  form.kind = kind_of<Held>();
  if constexpr (std::is_enum_v<Held>) form.choices = kChoices<Held>;
  return {.form = form,
          .types = types,
          .read = [](const ListenerOptions& listener) { return to_value(listener.*Member); },
          .store = [](ListenerOptions& listener, const Value& value) { assign(listener.*Member, value); }};
}

std::optional<std::string> judge_not_empty(Value& value) {
  const auto* const list = std::get_if<std::vector<std::string>>(&value);
  const bool is_empty = list != nullptr ? list->empty() : std::get<std::string>(value).empty();
  return is_empty ? std::optional<std::string>("is empty") : std::nullopt;
}

std::optional<std::string> judge_path(Value& value) {
  if (std::get<std::string>(value).size() > kUnixPathMax) {
    return "is longer than the 107 bytes that a UNIX socket allows";
  }
  return judge_not_empty(value);
}

std::vector<ListenerMember> all_members() {
  using L = ListenerOptions;
  return {
      member<&L::type>("tcp unix tls quic", {.path = "type", .doc = "What it is"}),
      member<&L::bind>("tcp tls quic", {.path = "bind",
                                        .doc = "Addresses to listen on; `*` is every address of the machine",
                                        .judge = judge_not_empty}),
      member<&L::port>("tcp tls quic",
                       {.path = "port", .min = 1, .max = 65'535, .doc = "Its port; there is no default"}),
      member<&L::path>("unix", {.path = "path", .doc = "Its path; there is no default", .judge = judge_path}),
      member<&L::permissions>("unix",
                              {.path = "permissions", .unit = Unit::kOctal, .max = 0777, .doc = "Mode of the socket"}),
      member<&L::proxy_protocol>(
          "tcp unix tls", {.path = "proxy_protocol",
                           .doc = "Whether every connection begins with a header of the PROXY protocol, version 2, "
                                  "which tells the client's address; one without it is closed"}),
      member<&L::allow>("tcp tls quic",
                        {.path = "allow",
                         .doc = "Networks like `10.0.0.0/8` from which connections are accepted, those of "
                                "proxies with `proxy_protocol`; others are closed at once; empty is "
                                "everybody"}),
      member<&L::tls_cert>("tls quic", {.path = "tls_cert", .doc = "As `listen.tls_cert`"}),
      member<&L::tls_key>("tls quic", {.path = "tls_key", .doc = "As `listen.tls_key`"}),
      member<&L::tls_ca>("tls quic", {.path = "tls_ca", .doc = "As `listen.tls_ca`"}),
      member<&L::tls_verify_client>("tls quic", {.path = "tls_verify_client", .doc = "As `listen.tls_verify_client`"}),
      member<&L::auth>("tcp unix tls quic", {.path = "auth", .doc = "How its clients prove who they are"}),
  };
}

const ListenerMember* find_member(std::string_view name) {
  const auto all = listener_members();
  const auto found = std::ranges::find(all, name, [](const ListenerMember& one) { return one.form.path; });
  return found == all.end() ? nullptr : &*found;
}

std::vector<std::string> member_names() {
  std::vector<std::string> names;
  for (const ListenerMember& one : listener_members()) names.emplace_back(one.form.path);
  return names;
}

std::string_view name_of(Type type) { return kChoices<Type>[static_cast<std::size_t>(type)]; }

/// Reads one object of the list.
class ListenerReader {
 public:
  ListenerReader(std::string place, const std::string& file, Origins& origins, Errors& errors)
      : file_(file), origins_(origins), errors_(errors) {
    listener_.place = std::move(place);
  }

  ListenerOptions read(const std::vector<Setting>& settings) {
    for (const Setting& setting : settings) take(setting);
    if (!origins_.contains(listener_.option_of("type"))) {
      refuse(listener_.option_of("type"), "is missing (tcp, unix, tls or quic)");
    }
    return std::move(listener_);
  }

 private:
  void refuse(std::string option, std::string problem) {
    errors_.push_back({.option = std::move(option), .problem = std::move(problem), .source = file_});
  }

  void take(const Setting& setting) {
    const std::string name = setting.path.substr(listener_.place.size() + 1);
    const ListenerMember* const member = find_member(name);
    if (member == nullptr) return refuse(setting.path, "unknown key" + suggestion(name, member_names()));
    const Origin origin{.level = Level::kFile, .source = file_ + ": " + setting.path};
    if (!origins_.emplace(setting.path, origin).second) return refuse(setting.path, "is given twice");
    const auto value = value_from_json(member->form, setting.value);
    if (!value) return refuse(setting.path, value.error());
    member->store(listener_, *value);
  }

  const std::string& file_;
  Origins& origins_;
  Errors& errors_;
  ListenerOptions listener_;
};

/// Looks for what contradicts itself in listeners that are each well formed.
class Checker {
 public:
  Checker(const std::vector<ListenerOptions>& listeners, const Origins& origins, Errors& errors)
      : listeners_(listeners), origins_(origins), errors_(errors) {}

  void check() {
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
      check_members(listeners_[i]);
      for (std::size_t j = 0; j < i; ++j) check_clash(listeners_[i], listeners_[j]);
    }
  }

 private:
  void refuse(const ListenerOptions& listener, std::string_view member, std::string problem) {
    std::string option = listener.option_of(member);
    auto origin = origins_.find(option);
    // What is missing is missing in the list.
    if (origin == origins_.end() && listener.place != "listen") origin = origins_.find(kListenersPath);
    errors_.push_back({.option = std::move(option),
                       .problem = std::move(problem),
                       .source = origin == origins_.end() ? "" : origin->second.source});
  }

  void check_members(const ListenerOptions& listener) {
    const std::string type(name_of(listener.type));
    for (const ListenerMember& one : listener_members()) {
      const bool is_given = listener.place != "listen" && origins_.contains(listener.option_of(one.form.path));
      if (is_given && !one.is_for(listener.type)) {
        refuse(listener, one.form.path, "has no meaning for a listener of type " + type);
      }
    }
    const auto need = [&](std::string_view member, bool is_there) {
      if (!is_there) refuse(listener, member, "is missing, and a listener of type " + type + " needs it");
    };
    if (listener.type == Type::kUnix) return need("path", !listener.path.empty());
    need("port", listener.port != 0);
    if (!listener.has_certificate()) return;
    need("tls_cert", !listener.tls_cert.empty());
    need("tls_key", !listener.tls_key.empty());
    if (listener.tls_verify_client != ClientCertificates::kNone && listener.tls_ca.empty()) {
      refuse(listener, "tls_verify_client", "needs a CA in " + listener.option_of("tls_ca"));
    }
  }

  void check_clash(const ListenerOptions& one, const ListenerOptions& other) {
    const bool is_unix = one.type == Type::kUnix;
    if (is_unix != (other.type == Type::kUnix)) return;
    // Ports of UDP are others than those of TCP.
    if ((one.type == Type::kQuic) != (other.type == Type::kQuic)) return;
    if (is_unix && !one.path.empty() && one.path == other.path) {
      refuse(one, "path", "is the path of " + other.option_of("path") + " as well");
    }
    const auto everywhere = [](const std::vector<std::string>& bind) {
      return std::ranges::find(bind, "*") != bind.end();
    };
    const bool shares_address = everywhere(one.bind) || everywhere(other.bind) ||
                                std::ranges::find_first_of(one.bind, other.bind) != one.bind.end();
    if (!is_unix && one.port != 0 && one.port == other.port && shares_address) {
      refuse(one, "port", std::to_string(one.port) + " is the port of " + other.option_of("port") + " as well");
    }
  }

  const std::vector<ListenerOptions>& listeners_;
  const Origins& origins_;
  Errors& errors_;
};

}  // namespace

std::string ListenerOptions::option_of(std::string_view member) const {
  std::string_view name = member;
  if (place == "listen") {
    if (member == "port" && type == Type::kTls) name = "tls_port";
    if (member == "path") name = "unixsocket";
    if (member == "permissions") name = "unixsocketperm";
  }
  return place + '.' + std::string(name);
}

bool ListenerMember::is_for(ListenerType type) const { return types.contains(name_of(type)); }

std::span<const ListenerMember> listener_members() {
  static const std::vector<ListenerMember> all = all_members();
  return all;
}

void take_listeners(const Setting& setting, const std::string& file, ListenOptions& listen, Origins& origins,
                    Errors& errors) {
  const auto refuse = [&](std::string problem) {
    errors.push_back({.option = std::string(kListenersPath), .problem = std::move(problem), .source = file});
  };
  const Origin origin{.level = Level::kFile, .source = file + ": " + setting.path};
  if (!origins.emplace(kListenersPath, origin).second) return refuse("is given twice");
  const auto* const texts = std::get_if<std::vector<std::string>>(&setting.value);
  const bool is_empty_list = texts != nullptr && texts->empty();
  if (setting.objects.empty() && !is_empty_list) return refuse("needs a list of objects");
  if (setting.objects.size() > kListenersMax) return refuse("has more than " + std::to_string(kListenersMax));
  for (std::size_t i = 0; i < setting.objects.size(); ++i) {
    const std::string place = std::string(kListenersPath) + '[' + std::to_string(i) + ']';
    listen.listeners.push_back(ListenerReader(place, file, origins, errors).read(setting.objects[i]));
  }
}

void check_listeners(const ListenOptions& listen, const Origins& origins, Errors& errors) {
  if (std::ranges::any_of(errors, [](const Error& error) { return error.option.starts_with("listen"); })) return;
  const std::vector<ListenerOptions> all = all_listeners(listen);
  Checker(all, origins, errors).check();
  if (!all.empty()) return;
  const auto origin = origins.find("listen.port");
  errors.push_back({.option = "listen.port",
                    .problem = "is 0 and there is no listen.unixsocket, so nobody could connect",
                    .source = origin == origins.end() ? "" : origin->second.source});
}

std::vector<ListenerOptions> all_listeners(const ListenOptions& listen) {
  std::vector<ListenerOptions> all;
  if (listen.port != 0) all.push_back({.type = Type::kTcp, .bind = listen.bind, .port = listen.port});
  if (!listen.unixsocket.empty()) {
    all.push_back({.type = Type::kUnix, .path = listen.unixsocket, .permissions = listen.unixsocketperm});
  }
  if (listen.tls_port != 0) {
    all.push_back({.type = Type::kTls,
                   .bind = listen.bind,
                   .port = listen.tls_port,
                   .tls_cert = listen.tls_cert,
                   .tls_key = listen.tls_key,
                   .tls_ca = listen.tls_ca,
                   .tls_verify_client = listen.tls_verify_client});
  }
  all.insert(all.end(), listen.listeners.begin(), listen.listeners.end());
  return all;
}

}  // namespace anteroom::config
