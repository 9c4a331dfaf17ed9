tidegate { required_version = "at least 1" }
