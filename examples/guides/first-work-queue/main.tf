resource "pattern_work_queue" "first" {
  name = "first"

  source = {
    list = { "a.txt" = "hello", "b.txt" = "world" }
  }

  stages = {
    upper = {
      image   = "registry.example.com/busybox:1"
      command = ["dd", "if=$(WORK_ITEM_FILE)", "of=$(WORK_OUTPUT_FILE)", "conv=ucase"]
      workers = { min = 0, max = 4 }
    }
  }

  queue = {
    expose = { reach = "node" }
  }

  wait = true
}

output "url" {
  value = pattern_work_queue.first.url
}
