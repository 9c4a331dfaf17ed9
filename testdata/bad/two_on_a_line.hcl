source "file" "app" { path = "app.json" decode = "json" }
