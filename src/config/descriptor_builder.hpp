#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/descriptor.hpp"

/// How a row of the tables in the *descriptors.cpp files is made: option<member...>({what people read}). Included by
/// those files only. Everything here is stateless.
namespace anteroom::config {

// Limits that several options share.

inline constexpr std::int64_t kKilobyte = 1024;
inline constexpr std::int64_t kTerabyte = kKilobyte * kKilobyte * kKilobyte * kKilobyte;
inline constexpr std::int64_t kHourMs = 3'600'000;
inline constexpr std::int64_t kYearS = 31'536'000;
inline constexpr std::int64_t kYearMs = kYearS * 1000;
inline constexpr std::int64_t kIntMax = std::numeric_limits<std::int32_t>::max();

// From a member of Options to a Value and back.

template <typename Enum>
inline constexpr std::array<std::string_view, 0> kChoices{};
template <>
inline constexpr std::array<std::string_view, 2> kChoices<Consistency>{"ttl", "tracking"};
template <>
inline constexpr std::array<std::string_view, 2> kChoices<LinkProtocol>{"match", "resp3"};
template <>
inline constexpr std::array<std::string_view, 2> kChoices<Eviction>{"lru", "s3fifo"};
template <>
inline constexpr std::array<std::string_view, 3> kChoices<MgetMode>{"snapshot", "per_key", "off"};
template <>
inline constexpr std::array<std::string_view, 3> kChoices<HashCommands>{"auto", "on", "off"};
template <>
inline constexpr std::array<std::string_view, 3> kChoices<AuthMode>{"none", "proxy", "passthrough"};
template <>
inline constexpr std::array<std::string_view, 2> kChoices<DeniedAs>{"noperm", "hidden"};
template <>
inline constexpr std::array<std::string_view, 5> kChoices<log::Level>{"trace", "debug", "info", "warn", "error"};
template <>
inline constexpr std::array<std::string_view, 2> kChoices<log::Format>{"logfmt", "json"};

template <>
inline constexpr std::array<std::string_view, 3> kChoices<Congestion>{"cubic", "bbr", "reno"};

template <>
inline constexpr std::array<std::string_view, 4> kChoices<ListenerType>{"tcp", "unix", "tls", "quic"};
template <>
inline constexpr std::array<std::string_view, 3> kChoices<ClientCertificates>{"none", "optional", "required"};
template <>
inline constexpr std::array<std::string_view, 4> kChoices<ListenerAuth>{"inherit", "none", "proxy", "passthrough"};

template <typename T>
concept Duration = requires { typename T::period; };

template <typename T>
constexpr Kind kind_of() {
  if constexpr (std::is_same_v<T, bool>) return Kind::kBool;
  if constexpr (std::is_enum_v<T>) return Kind::kChoice;
  if constexpr (std::is_same_v<T, std::string>) return Kind::kText;
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return Kind::kList;
  return Kind::kInteger;
}

template <typename T>
Value to_value(const T& member) {
  if constexpr (std::is_enum_v<T>) {
    return std::string(kChoices<T>[static_cast<std::size_t>(member)]);
  } else if constexpr (Duration<T>) {
    return std::int64_t{member.count()};
  } else if constexpr (kind_of<T>() == Kind::kInteger) {
    return static_cast<std::int64_t>(member);
  } else {
    return member;
  }
}

/// `value` is of the member's kind and in its range.
template <typename T>
void assign(T& member, const Value& value) {
  if constexpr (std::is_enum_v<T>) {
    const auto& names = kChoices<T>;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == std::get<std::string>(value)) member = static_cast<T>(i);
    }
  } else if constexpr (Duration<T>) {
    member = T{std::get<std::int64_t>(value)};
  } else if constexpr (kind_of<T>() == Kind::kInteger) {
    member = static_cast<T>(std::get<std::int64_t>(value));
  } else {
    member = std::get<T>(value);
  }
}

template <auto First, auto... Rest>
auto& member_of(auto& object) {
  if constexpr (sizeof...(Rest) == 0) {
    return object.*First;
  } else {
    return member_of<Rest...>(object.*First);
  }
}

/// Completes a descriptor with what follows from the member that `Path` leads to.
template <auto... Path>
Descriptor option(Descriptor descriptor) {
  using Member = std::remove_cvref_t<decltype(member_of<Path...>(std::declval<Options&>()))>;
  descriptor.kind = kind_of<Member>();
  if constexpr (std::is_enum_v<Member>) descriptor.choices = kChoices<Member>;
  descriptor.read = [](const Options& options) { return to_value(member_of<Path...>(options)); };
  descriptor.store = [](Options& options, const Value& value) { assign(member_of<Path...>(options), value); };
  return descriptor;
}

// The tables that stand in files of their own.

[[nodiscard]] std::vector<Descriptor> auth_options();
[[nodiscard]] std::vector<Descriptor> cache_options();
[[nodiscard]] std::vector<Descriptor> command_options();
[[nodiscard]] std::vector<Descriptor> gateway_options();
[[nodiscard]] std::vector<Descriptor> listen_tls_options();
[[nodiscard]] std::vector<Descriptor> quic_options();
[[nodiscard]] std::vector<Descriptor> upstream_tls_options();

}  // namespace anteroom::config
