#include "config/descriptor_builder.hpp"

namespace anteroom::config {

std::vector<Descriptor> auth_options() {
  using G = AuthOptions;
  constexpr auto kGroup = &Options::auth;
  return {
      option<kGroup, &G::mode>(
          {.path = "auth.mode",
           .flag = "auth-mode",
           .doc = "Who may connect: `none`, everybody; `proxy`, the users of this configuration; `passthrough`, those "
                  "whom Redis lets in"}),
      option<kGroup, &G::password>(
          {.path = "auth.password",
           .flag = "auth-password",
           .is_secret = true,
           .doc = "With `proxy`: password of the user `default`, who may do everything; better kept in a file"}),
      option<kGroup, &G::password_file>({.path = "auth.password_file",
                                         .flag = "auth-password-file",
                                         .doc = "File with that password; one newline at its end is left out"}),
      option<kGroup, &G::failures_max>(
          {.path = "auth.failures_max",
           .flag = "auth-failures",
           .max = 1'000'000,
           .doc = "Wrong passwords from one address within the window, after which it is refused without a check; 0 is "
                  "no limit"}),
      option<kGroup, &G::failure_window>({.path = "auth.failure_window_ms",
                                          .flag = "auth-failure-window",
                                          .unit = Unit::kMilliseconds,
                                          .min = 1,
                                          .max = 24 * kHourMs,
                                          .doc = "That window, and for how long the address is refused"}),
      option<kGroup, &G::preauth_args_max>({.path = "auth.preauth_args_max",
                                            .flag = "preauth-args",
                                            .min = 1,
                                            .max = kIntMax,
                                            .doc = "Most arguments of a request before the client has logged in"}),
      option<kGroup, &G::preauth_bulk_bytes>({.path = "auth.preauth_bulk_bytes",
                                              .flag = "preauth-bulk-bytes",
                                              .unit = Unit::kBytes,
                                              .min = kKilobyte / 4,
                                              .max = kKilobyte * kKilobyte * kKilobyte,
                                              .doc = "Largest argument of such a request"}),
      option<kGroup, &G::preauth_timeout>(
          {.path = "auth.preauth_timeout_ms",
           .flag = "preauth-timeout",
           .unit = Unit::kMilliseconds,
           .max = kHourMs,
           .doc = "Time to log in; then a client that has not is closed, whatever it sends. 0 is no limit"}),
  };
}

}  // namespace anteroom::config
