// Package config is the public face of the elector: the file that it reads at start, its defaults and its rules.
//
// Who writes the file (a pattern, or a person) imports this package and nothing else of the image. It holds no secret.
package config

import "github.com/container-patterns/terraform-provider-pattern/images/internal/settings"

// Duration is written as Go writes it: "1m30s".
type Duration = settings.Duration

// Config is the whole file. Nothing of it changes while the elector runs but its log.
type Config struct {
	settings.Settings
	// Listen is where the API is, for the containers of the group only. Default: "127.0.0.1:4040".
	Listen string `json:"listen,omitempty"`
	// Member is this elector's name, unique among those that live. ${NAME} is replaced by that environment variable. Default:
	// ${HOSTNAME}.
	Member string `json:"member,omitempty"`
	// Address that others may reach the member at, which is told with who leads; ${NAME} as above. With relay.services it is the
	// HOST:PORT that relay.peer is at. May be empty without.
	Address string `json:"address,omitempty"`
	// Elections by their names.
	Elections []string `json:"elections,omitempty"`
	// Sets of elections, by their names with their numbers of shards.
	Sets map[string]int `json:"sets,omitempty"`
	// Slots are how many electors there can be at once, those that come and those that go among them. Default: 8, or twice as many as
	// there are electors of raft.
	Slots int   `json:"slots,omitempty"`
	Lease Lease `json:"lease,omitzero"`
	// Campaign is "auto" (default): the elector stands for all elections as long as it is ready; or "app": it does where the
	// application has asked it to, and renews.
	Campaign string  `json:"campaign,omitempty"`
	Backend  Backend `json:"backend"`
	// Callbacks tell the application, besides the API.
	Callbacks Callbacks `json:"callbacks,omitzero"`
	// Application is asked whether it can lead. Without it is taken to be able to as long as the elector runs.
	Application *Application `json:"application,omitempty"`
	// Relay forwards connections to the leader's application.
	Relay Relay `json:"relay,omitzero"`
}

// Lease rules how long a leader may be silent.
type Lease struct {
	// Duration that others wait for a sign of life before they take over. Default: "5.5s".
	Duration Duration `json:"duration,omitempty"`
	// RenewDeadline after which a leader that could not renew calls itself so no more; shorter than Duration, by a margin for
	// clocks that do not go alike. Default: three quarters of Duration.
	RenewDeadline Duration `json:"renew_deadline,omitempty"`
	// RetryPeriod between renewals. Default: a quarter of Duration.
	RetryPeriod Duration `json:"retry_period,omitempty"`
}

// Backend is exactly one.
type Backend struct {
	Engine     *Engine     `json:"engine,omitempty"`
	Kubernetes *Kubernetes `json:"kubernetes,omitempty"`
	Nomad      *Nomad      `json:"nomad,omitempty"`
	Raft       *Raft       `json:"raft,omitempty"`
}

// Kubernetes keeps the table in Leases.
type Kubernetes struct {
	// Prefix of their names.
	Prefix string `json:"prefix"`
	// Account is the folder of the service account. Default: where Kubernetes mounts it.
	Account string `json:"account,omitempty"`
}

// Nomad keeps the table in variables.
type Nomad struct {
	// Path that they are below.
	Path string `json:"path"`
}

// Raft keeps the table among the electors themselves, each of which has one of as many slots as there are.
type Raft struct {
	// Listen is where the other electors reach this one. Default: ":4041".
	Listen string `json:"listen,omitempty"`
	// Advertise is HOST:PORT that they reach it at; ${NAME} is replaced by that environment variable. Default:
	// "${PATTERN_ADDRESS}:4041".
	Advertise string `json:"advertise,omitempty"`
	// Slot of this elector, from 0 to Size-1; ${NAME} as above. At most one process has it at a time. Default: "${PATTERN_INDEX}".
	Slot string `json:"slot,omitempty"`
	// Size is how many electors there are: 3, 5, 7 or 9.
	Size int `json:"size"`
	// Peers is a file that lists where all of them are, ready or not, one HOST:PORT a line; a name stands for all of its addresses. It is
	// followed.
	// Default: "/etc/pattern-peers/electors".
	Peers string `json:"peers,omitempty"`
	// DataDir is this slot's own folder. It is best to keep it over restarts, but no harm if it is lost. Default:
	// "/var/lib/elector".
	DataDir string `json:"data_dir,omitempty"`
	// SecretFile holds a secret that every connection between electors has to prove. Default: none.
	SecretFile string `json:"secret_file,omitempty"`
}

// Callbacks are posted to the application.
type Callbacks struct {
	// OnElected is posted when this elector has become the leader of an election, OnDemoted when it is no more, or is about to
	// resign: it waits for the answer, at most for Timeout, before it does.
	OnElected string `json:"on_elected,omitempty"`
	OnDemoted string `json:"on_demoted,omitempty"`
	// Timeout of a callback. Default: "1s".
	Timeout Duration `json:"timeout,omitempty"`
}

// Application on localhost, of which exactly one of URL and TCP is set. Its elector stands only while it is ready, and gives what it
// leads to others that are when it is not.
type Application struct {
	// URL answers a GET with 200 to 399 while it is ready.
	URL string `json:"url,omitempty"`
	// TCP is a HOST:PORT that takes connections while it is ready.
	TCP string `json:"tcp,omitempty"`
	// Period between questions, default "1s"; Timeout of one, default "1s".
	Period  Duration `json:"period,omitempty"`
	Timeout Duration `json:"timeout,omitempty"`
	// Failures in a row until it is not ready any more. Default: 3.
	Failures int `json:"failures,omitempty"`
}

// Relay is how the electors of an instance make one service of the application that leads: who connects to any of them reaches it.
type Relay struct {
	// Peer is where the other electors forward to. One port is enough for all services. Default: ":4051".
	Peer string `json:"peer,omitempty"`
	// Patience with which a connection waits for a leader, where there is none. Default: "10s".
	Patience Duration `json:"patience,omitempty"`
	// Waiting are how many connections may wait at once; more are closed. Default: 1024.
	Waiting int `json:"waiting,omitempty"`
	// Drain is how long connections that were forwarded to another elector may go on when this one is to end. Those to its own
	// application end with leadership. Default: "5s".
	Drain Duration `json:"drain,omitempty"`
	// Services by their names, which are the same at all electors.
	Services map[string]Service `json:"services,omitempty"`
}

// Service is one port that leads to the application of whoever leads an election.
type Service struct {
	// Election that it follows; one of a set is SET/SHARD.
	Election string `json:"election"`
	// Listen is where clients connect, such as ":4050".
	Listen string `json:"listen"`
	// Target is the application beside this elector, such as "127.0.0.1:8080".
	Target string `json:"target"`
}

// Campaigns.
const (
	CampaignAuto = "auto"
	CampaignApp  = "app"
)
