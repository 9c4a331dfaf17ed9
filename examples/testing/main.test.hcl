# Every run of this file starts from what the runs before it have applied. The service is
# mocked; defaults.yaml is the one beside this file.

mock "source.http.limits" {
  value = { timeout_seconds = 10 }
}

run "the service wins over the defaults" {
  assert {
    condition     = jsondecode(plan.sinks["sink.file.settings"].content) == { log_level = "info", timeout_seconds = 10 }
    error_message = "The file would hold ${plan.sinks["sink.file.settings"].content}."
  }
}

run "a value out of range changes nothing" {
  mock "source.http.limits" {
    value = { timeout_seconds = 900 }
  }
  expect_failures = [rule.assert.sane]
}

run "the limit can be raised" {
  variables {
    most = 1000
  }
  mock "source.http.limits" {
    value = { timeout_seconds = 900 }
  }
  assert {
    condition     = plan.sources["source.http.limits"].action == "read"
    error_message = "It is not accepted: ${jsonencode(plan.findings)}."
  }
}

run "but not made negative" {
  variables {
    most = -1
  }
  expect_failures = [var.most]
}

# A burst of changes reaches the service once a minute, with the newest value, and a failing
# service changes nothing.
run "a burst waits for its turn" {
  mock "source.http.limits" {
    value = { timeout_seconds = 10 }
    step {
      at    = "10s"
      value = { timeout_seconds = 20 }
    }
    step {
      at    = "20s"
      value = { timeout_seconds = 30 }
    }
    step {
      at    = "1m"
      error = "status 503 Service Unavailable"
    }
  }
  command = apply
  assert {
    condition     = [for r in rounds : length(r.apply.programs)] == [1, 0, 0, 1]
    error_message = "Reloads at each step: ${jsonencode([for r in rounds : length(r.apply.programs)])}."
  }
  assert {
    condition     = rounds[1].plan.deferrals[0].until == rounds[3].time
    error_message = "Deferred: ${jsonencode(rounds[1].plan.deferrals)}."
  }
  assert {
    condition     = jsondecode(files["out/settings.json"].content).timeout_seconds == 30
    error_message = "The file holds ${files["out/settings.json"].content}."
  }
}

# What that run has applied is there, and somebody has edited it.
run "an edit is undone" {
  command = apply
  after   = "1h"
  mock "source.http.limits" {
    value = { timeout_seconds = 30 }
  }
  file "out/settings.json" {
    content = "mine"
  }
  assert {
    condition     = plan.sinks["sink.file.settings"].repair && apply.programs[0].command[0] == "systemctl"
    error_message = "It would ${plan.sinks["sink.file.settings"].action}."
  }
}
