package attributes

// Elections are the attributes that every resource takes which runs developer containers: what is elected among the replicas of a
// group, and how.
func Elections() Map {
	callback := func(doc string) nestedObject {
		return object(doc, Map{
			"port": required(str("Name of a port of the main container.")),
			"path": str("Path of the request. Default: `/`."),
		})
	}
	return Map{
		"elections": objects("Elections among the replicas, by name. An elector beside each replica decides them; the containers of the group ask it at `http://127.0.0.1:4040` (`PATTERN_ELECTOR`), and nobody else can.", Map{
			"expose_leader": flag("Whether there is a Service `NAME-ELECTION` that reaches just the leader, at the TCP ports of the main container. Default: `false`."),
		}),
		"election_sets": objects("Sets of elections that the replicas share out evenly (with `campaign = \"auto\"`), such as one for each shard of some data. When replicas come and go, as few as possible change their leader.", Map{
			"shards": int64Required("How many there are; they are called `SET/0` and so on. All sets together have at most 4096."),
		}),
		"elector": object("The container that elects, beside each replica.", Map{
			"lease": object("How long a leader may be silent before another takes over. A shorter lease asks the backend more often.", Map{
				"profile":        str("`fast` (2 s) or `default` (5.5 s, so that another one leads within 6 s). Default: `default`."),
				"duration":       str("Time without a sign of life after which others take over, instead of a profile.", duration),
				"renew_deadline": str("Time after which a leader that could not renew calls itself so no more. What is between it and `duration` is the margin for clocks that do not go alike, at least a tenth. Default: three quarters of the duration.", duration),
				"retry_period":   str("Time between renewals, at most half of `renew_deadline`. Default: a quarter of the duration.", duration),
			}),
			"campaign": str("`auto` (default): every replica stands for every election while its main container is ready, as its readiness probe says (`http` or `tcp`; without one, as long as it runs). `app`: a replica stands where its application has asked to, and goes on renewing."),
			"backend":  str("What the electors agree by. `engine` (default): Leases of Kubernetes, variables of Nomad. `raft`: a log that they replicate among themselves, for clusters that grant no access to their API; it needs an odd number of replicas with `identity = \"stable\"`. A change replaces the instance."),
			"callbacks": object("Requests (POST, JSON) by which the main container is told, besides the API.", Map{
				"on_elected": callback("When the replica leads an election. It is repeated until it is answered with a status of 2xx, or the replica leads no more."),
				"on_demoted": callback("When it leads no more. Before a replica that ends, or resigns, gives a seat away, it waits for the answer."),
				"timeout":    str("Of a request. Default: `1s`.", duration),
			}),
			"port":      number("Port of the API on localhost. Default: 4040."),
			"image":     str("Replaces the provider's own image of the elector."),
			"env":       strMap("Environment variables of the elector."),
			"resources": resources("20m of CPU without a limit, 32Mi of memory with a limit of 96Mi"),
		}),
	}
}
