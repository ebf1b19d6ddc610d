// Package acceptance holds what the provider promises, shown by the real terraform and the real provider binary on the real
// engines of test/engines. Run it with `make acceptance` (ENGINE=, RUN=): the tests carry the build tag acceptance.
//
// Between the provider and the engine stands a proxy that counts requests, and that lets a test act at one of them.
package acceptance
