# By namespace and name, or by name alone in the provider's namespace:
terraform import pattern_leader_election.writer shop/writer
