mock_provider "pattern" {}

variables {
  name   = "docs"
  shards = 8
  leaf   = { image = "registry.example.com/search-leaf:1" }
}

run "slow_replicas_are_overtaken" {
  command = plan

  assert {
    condition     = pattern_scatter_gather.this.policy.hedge.after == "p95" && pattern_scatter_gather.this.leaf.spread[0].over == "node"
    error_message = "Two replicas are apart, and hedge each other."
  }
  assert {
    condition     = pattern_scatter_gather.this.merge.top_k.items == "hits" && pattern_scatter_gather.this.merge.top_k.by == "score" && pattern_scatter_gather.this.merge.top_k.k == 100
    error_message = "The hundred best by score."
  }
  assert {
    condition     = pattern_scatter_gather.this.leaf.ports["http"].port == 8080 && pattern_scatter_gather.this.leaf.probes.readiness.http.path == "/ready"
    error_message = "A leaf listens on 8080 and says when it is ready."
  }
  assert {
    condition     = pattern_scatter_gather.this.policy.cache == null && pattern_scatter_gather.this.policy.require == "0.9"
    error_message = "Answers are not kept by default, and one shard in ten may be missing."
  }
}

run "one_replica_is_not_hedged" {
  command = plan

  variables {
    replicas  = 1
    cache_ttl = "5s"
  }

  assert {
    condition     = pattern_scatter_gather.this.policy.hedge == null && pattern_scatter_gather.this.leaf.spread == null
    error_message = "There is nobody to overtake it."
  }
  assert {
    condition     = pattern_scatter_gather.this.policy.cache.ttl == "5s"
    error_message = "Answers are kept for as long as was said."
  }
}

run "a_tree_needs_branches" {
  command = plan

  variables {
    fan_out = 1
  }

  expect_failures = [var.fan_out]
}
