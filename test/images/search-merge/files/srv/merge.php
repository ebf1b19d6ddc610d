<?php
// Makes one list of the best hits of all parts; as many as the client has asked for, or ten. At the root, the client is told
// which shards are missing.
$in = json_decode(file_get_contents('php://input'), true);
parse_str($in['request']['query'] ?? '', $asked);
$hits = array_merge([], ...array_map(fn($part) => $part['body']['hits'], $in['parts']));
usort($hits, fn($a, $b) => [$b['score'], $a['page']] <=> [$a['score'], $b['page']]);
$out = ['hits' => array_slice($hits, 0, (int) ($asked['n'] ?? 10))];
if ($in['root']) {
    $out['coverage'] = $in['coverage'];
}
header('Content-Type: application/json');
echo json_encode($out, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
