run "settings win over defaults" {
  mock "source.http.settings" {
    value = { log_level = "debug" }
  }
  assert {
    condition     = jsondecode(plan.sinks["sink.file.app"].content) == { timeout_seconds = 10, log_level = "debug" }
    error_message = "The settings are not merged: ${plan.sinks["sink.file.app"].content}"
  }
}

run "nonsense is refused" {
  mock "source.http.settings" {
    value = { timeout_seconds = 0 }
  }
  expect_failures = [sink.file.app]
}
