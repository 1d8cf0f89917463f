# SPDX-License-Identifier: MIT
#
# What `helixctl top --once --json` tells, in Prometheus' text format, for the textfile
# collector of node_exporter:
#
#   helixctl top --once --json >top.json && jq -r -f metrics.jq top.json >helix.prom.new &&
#       mv helix.prom.new helix.prom
#
# In that order: of a guest without the module the file stays as it was, and is seen to be old.
def sample(name; value): "\(name){scanout=\"\(.scanout)\"} \(value)";
def family(name; type; value): "# TYPE \(name) \(type)",
	(.scanouts[] | [value] as [$v] | select($v != null) | sample(name; $v));

"# TYPE helix_host_up gauge",
"helix_host_up \(if .host_state == "down" then 0 else 1 end)",
"# TYPE helix_broker_up gauge",
"helix_broker_up \(if .broker then 1 else 0 end)",
"# TYPE helix_gpus gauge",
"helix_gpus \(.nr_gpus)",
family("helix_scanout_leased"; "gauge"; if .state == "leased" then 1 else 0 end),
family("helix_scanout_quarantined"; "gauge"; if .state == "quarantined" then 1 else 0 end),
family("helix_scanout_stalled_seconds"; "gauge"; .stalled_ms / 1000),
family("helix_scanout_state_seconds"; "gauge"; .state_ms / 1000),
family("helix_scanout_flips_total"; "counter"; .flips),
family("helix_scanout_waits_failed_total"; "counter"; .waits_failed),
family("helix_scanout_grants_total"; "counter"; .grants),
family("helix_scanout_denials_total"; "counter"; .denials),
family("helix_scanout_stalls_total"; "counter"; .stalls),
family("helix_scanout_quarantines_total"; "counter"; .quarantines)
