# Who leads the elections of an instance now, and by which fencing token.
data "pattern_leaders" "ledger" {
  name = "ledger"
}

output "writer" {
  value = data.pattern_leaders.ledger.leaders["writer"].member
}
