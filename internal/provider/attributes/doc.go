// Package attributes holds the schema of what resources share: the attributes of instances, workloads, containers and
// companions. What they mean is in the packages of the patterns.
package attributes
