package config

// Why keys are refused or have no effect.
const (
	noACL       = "this agent has no access control; whoever reaches it may do all. Keep it on loopback, or run Consul itself"
	noGossip    = "this agent talks to no other agent"
	noAutomatic = "this agent gets no configuration from others"
	noStrict    = "requests would be served that this setting is meant to stop"
	noMetrics   = "this agent sends its metrics nowhere; read /v1/agent/metrics"
	noSyslog    = "this agent logs to standard error and to log_file"
	noRotation  = "the log file is not rotated by the agent; a tool such as logrotate can, with its copytruncate"
	noWatches   = "this agent starts no programs on changes; use a watch command"
	noWatching  = "files are read at the start and on reload"
	noSettings  = "this agent has Consul's default"
	enterprise  = "it is Consul Enterprise's"
	noEntries   = "this agent has no config entries"
	onePort     = "HTTPS is served where ports.https and a certificate are given, and gRPC's port is not"
	otherNet    = "there is one network here"
	otherUI     = "the pages are the agent's own"
)

// agentKeys says of every key of Consul's agent what becomes of it here.
//

func agentKeys() table[Config] {
	t := table[Config]{}
	definitionKeys(t)
	takenKeys(t)
	dnsKeys(t)

	// Nothing here depends on these: they tune how servers agree, find each other and keep what they know.
	t.judge(ignored, "",
		"performance.leave_drain_time raft_multiplier rpc_hold_timeout",
		"autopilot.cleanup_dead_servers last_contact_threshold max_trailing_logs min_quorum server_stabilization_time",
		"autopilot.disable_upgrade_migration redundancy_zone_tag upgrade_version_tag",
		"gossip_lan.gossip_nodes gossip_interval probe_interval probe_timeout suspicion_mult retransmit_mult",
		"gossip_wan.gossip_nodes gossip_interval probe_interval probe_timeout suspicion_mult retransmit_mult",
		"consul", "cache.entry_fetch_max_burst entry_fetch_rate", "rpc.enable_streaming", "raft_boltdb.nofreelistsync",
		"protocol", "raft_protocol", "raft_snapshot_threshold", "raft_snapshot_interval", "raft_trailing_logs",
		"reconnect_timeout", "reconnect_timeout_wan", "advertise_reconnect_timeout", "rejoin_after_leave",
		"retry_interval", "retry_interval_wan", "retry_max", "retry_max_wan",
		"serf_lan", "serf_wan", "serf_lan_allowed_cidrs", "serf_wan_allowed_cidrs", "server_name",
		"ports.server grpc grpc_tls proxy_min_port proxy_max_port",
		"ports.sidecar_min_port sidecar_max_port expose_min_port expose_max_port",
		"ae_interval", "check_deregister_interval_min", "check_reap_interval", "check_update_interval",
		"sync_coordinate_interval_min", "sync_coordinate_rate_target", "disable_coordinates", "segment_limit", "segment_name_limit",
		"revision", "version", "version_prerelease", "version_metadata",
		"disable_anonymous_signature", "disable_update_check", "disable_host_node_id", "disable_keyring_file",
		"disable_remote_exec", "disable_http_unprintable_char_filter", "discovery_max_stale", "use_streaming_backend",
		"enable_central_service_config", "encrypt_verify_incoming", "encrypt_verify_outgoing",
		"limits.http_max_conns_per_client https_handshake_timeout rpc_client_timeout rpc_handshake_timeout rpc_max_burst",
		"limits.rpc_max_conns_per_client rpc_rate",
		"leave_on_terminate", "skip_leave_on_interrupt", "primary_datacenter", "primary_gateways_interval",
		"http_config.use_cache", "snapshot_agent", "peering", "log_rotate_max_files", "syslog_facility",
		"connect.enabled ca_provider ca_config enable_serverless_plugin test_ca_leaf_root_change_spread",
		"acl.policy_ttl role_ttl token_ttl down_policy default_policy enable_key_list_policy tokens enable_token_persistence",
		"acl.enable_token_replication msp_disable_bootstrap disabled_ttl",
		"acl_agent_master_token", "acl_agent_token", "acl_token", "acl_enable_key_list_policy", "acl_master_token",
		"acl_replication_token", "enable_acl_replication", "acl_default_policy", "acl_down_policy", "acl_ttl", "acl_enforce_version_8",
		"tls.internal_rpc", "tls.grpc", "verify_incoming_rpc", "verify_outgoing", "verify_server_hostname", "tls_prefer_server_cipher_suites",
		"tls.defaults.verify_outgoing verify_server_hostname", "tls.https.verify_outgoing verify_server_hostname",
		"telemetry.circonus_api_app circonus_api_url circonus_broker_id circonus_broker_select_tag circonus_check_display_name",
		"telemetry.circonus_check_force_metric_activation circonus_check_id circonus_check_instance_id circonus_check_search_tag",
		"telemetry.circonus_check_tags circonus_submission_interval disable_compat_1 disable_hostname dogstatsd_tags",
		"telemetry.retry_failed_connection filter_default prefix_filter metrics_prefix prometheus_retention_time")
	t["telemetry.disable_compat_1.9"] = key[Config]{verdict: ignored}

	t.judge(warned, noGossip, "encrypt", "translate_wan_addrs", "auto_encrypt.tls allow_tls dns_san ip_san")
	t.judge(warned, otherNet, "advertise_addr_wan", "advertise_addr_wan_ipv4", "advertise_addr_wan_ipv6", "tagged_addresses")
	t.judge(warned, noMetrics, "telemetry.circonus_api_token circonus_submission_url dogstatsd_addr statsd_address statsite_address")
	t.judge(warned, noSyslog, "enable_syslog")
	t.judge(warned, noRotation, "log_rotate_bytes", "log_rotate_duration")
	t.judge(warned, noWatches, "watches")
	t.judge(warned, noWatching, "auto_reload_config")
	t.judge(warned, noSettings, "default_query_time", "max_query_time",
		"limits.kv_max_value_size txn_max_req_len", "http_config.max_header_bytes")
	t.judge(warned, enterprise, "read_replica", "non_voting_server", "license_path", "license_poll_base_time",
		"license_poll_max_time", "license_update_base_time", "license_update_max_time")
	t.judge(warned, noEntries, "config_entries.bootstrap")
	t.judge(warned, onePort, "addresses.grpc", "unix_sockets.user group mode")
	t.judge(warned, otherUI, "ui_dir", "ui_content_path", "ui_config.dir content_path metrics_provider metrics_provider_files",
		"ui_config.metrics_provider_options_json metrics_proxy dashboard_url_templates")
	t.judge(warned, "checks use the system's certificates", "enable_agent_tls_for_checks")

	t.judge(refused, noACL, "acl.enabled", "acl_datacenter")
	t.judge(refused, noStrict, "http_config.block_endpoints allow_write_http_from", "audit.enabled")
	t.judge(refused, noAutomatic, "auto_config.enabled")
	t.judge(ignored, "", "auto_config.intro_token intro_token_file server_addresses dns_sans ip_sans authorization", "audit.sink")
	t.judge(refused, noMesh, "connect.enable_mesh_gateway_wan_federation")
	t.judge(refused, enterprise, "segment", "segments")
	t.judge(refused, oneTenant, "partition")
	return t
}

// takenKeys are the settings that the agent has.
func takenKeys(t table[Config]) {
	for name, at := range map[string]func(*Config) *string{
		"node_name": func(c *Config) *string { return &c.NodeName }, "node_id": func(c *Config) *string { return &c.NodeID },
		"data_dir": func(c *Config) *string { return &c.DataDir }, "datacenter": func(c *Config) *string { return &c.Datacenter },
		"bind_addr": func(c *Config) *string { return &c.BindAddr }, "client_addr": func(c *Config) *string { return &c.ClientAddr },
		"advertise_addr":      func(c *Config) *string { return &c.AdvertiseAddr },
		"advertise_addr_ipv4": func(c *Config) *string { return &c.AdvertiseAddr },
		"advertise_addr_ipv6": func(c *Config) *string { return &c.AdvertiseAddr },
		"addresses.dns":       func(c *Config) *string { return &c.Addresses.DNS }, "addresses.http": func(c *Config) *string { return &c.Addresses.HTTP },
		"addresses.https": func(c *Config) *string { return &c.Addresses.HTTPS },
		"log_level":       func(c *Config) *string { return &c.LogLevel }, "log_file": func(c *Config) *string { return &c.LogFile },
		"pid_file": func(c *Config) *string { return &c.PidFile },
		"domain":   func(c *Config) *string { return &c.Domain }, "alt_domain": func(c *Config) *string { return &c.AltDomain },
	} {
		t.take(name, textKey(at))
	}
	for name, at := range map[string]func(*Config) *bool{
		"server": func(c *Config) *bool { return &c.Server }, "bootstrap": func(c *Config) *bool { return &c.Bootstrap },
		"log_json": func(c *Config) *bool { return &c.LogJSON }, "enable_script_checks": func(c *Config) *bool { return &c.ScriptChecks },
		"enable_local_script_checks": func(c *Config) *bool { return &c.LocalScriptChecks },
		"discard_check_output":       func(c *Config) *bool { return &c.DiscardCheckOutput },
		"enable_debug":               func(c *Config) *bool { return &c.Debug },
		"ui":                         func(c *Config) *bool { return &c.UI }, "ui_config.enabled": func(c *Config) *bool { return &c.UI },
	} {
		t.take(name, boolKey(at))
	}
	for name, at := range map[string]func(*Config) *int{
		"bootstrap_expect": func(c *Config) *int { return &c.BootstrapExpect }, "check_output_max_size": func(c *Config) *int { return &c.CheckOutputMaxSize },
		"ports.dns": func(c *Config) *int { return &c.Ports.DNS }, "ports.http": func(c *Config) *int { return &c.Ports.HTTP },
		"ports.https":    func(c *Config) *int { return &c.Ports.HTTPS },
		"ports.serf_lan": func(c *Config) *int { return &c.Ports.SerfLAN }, "ports.serf_wan": func(c *Config) *int { return &c.Ports.SerfWAN },
	} {
		t.take(name, intKey(at))
	}
	for name, at := range map[string]func(*Config) *[]string{
		"retry_join": func(c *Config) *[]string { return &c.Join }, "start_join": func(c *Config) *[]string { return &c.Join },
		"retry_join_wan": func(c *Config) *[]string { return &c.JoinWAN }, "start_join_wan": func(c *Config) *[]string { return &c.JoinWAN },
		"primary_gateways": func(c *Config) *[]string { return &c.JoinWAN }, "recursors": func(c *Config) *[]string { return &c.Recursors },
	} {
		t.take(name, textsKey(at))
	}
	t.take("http_config.response_headers", textMapKey(func(c *Config) *map[string]string { return &c.ResponseHeaders }))
	t.take("session_ttl_min", durationKey(func(c *Config) *duration { return &c.SessionTTLMin }))
	t.take("node_meta", textMapKey(func(c *Config) *map[string]string { return &c.NodeMeta }))
	tlsKeys(t, "", func(c *Config) *TLS { return &c.TLS })
	tlsKeys(t, "tls.defaults.", func(c *Config) *TLS { return &c.TLS })
	tlsKeys(t, "tls.https.", func(c *Config) *TLS { return &c.HTTPS })
	t.take("verify_incoming_https", boolKey(func(c *Config) *bool { return &c.HTTPS.VerifyIncoming }))
}

func tlsKeys(t table[Config], prefix string, at func(*Config) *TLS) {
	t.take(prefix+"ca_file", textKey(func(c *Config) *string { return &at(c).CAFile }))
	t.take(prefix+"cert_file", textKey(func(c *Config) *string { return &at(c).CertFile }))
	t.take(prefix+"key_file", textKey(func(c *Config) *string { return &at(c).KeyFile }))
	t.take(prefix+"verify_incoming", boolKey(func(c *Config) *bool { return &at(c).VerifyIncoming }))
	t.take(prefix+"tls_min_version", textKey(func(c *Config) *string { return &at(c).MinVersion }))
	t.judge(refused, "name the file in ca_file", prefix+"ca_path")
	t.judge(warned, "Go's own choice of ciphers is used", prefix+"tls_cipher_suites")
}

func dnsKeys(t table[Config]) {
	for name, at := range map[string]func(*DNS) *bool{
		"enable_truncate": func(d *DNS) *bool { return &d.EnableTruncate }, "only_passing": func(d *DNS) *bool { return &d.OnlyPassing },
		"disable_compression": func(d *DNS) *bool { return &d.DisableCompression },
	} {
		t.take("dns_config."+name, boolKey(func(c *Config) *bool { return at(&c.DNS) }))
	}
	for name, at := range map[string]func(*DNS) *int{
		"a_record_limit": func(d *DNS) *int { return &d.ARecordLimit }, "udp_answer_limit": func(d *DNS) *int { return &d.UDPAnswerLimit },
	} {
		t.take("dns_config."+name, intKey(func(c *Config) *int { return at(&c.DNS) }))
	}
	for name, at := range map[string]func(*SOA) *uint32{
		"refresh": func(s *SOA) *uint32 { return &s.Refresh }, "retry": func(s *SOA) *uint32 { return &s.Retry },
		"expire": func(s *SOA) *uint32 { return &s.Expire }, "min_ttl": func(s *SOA) *uint32 { return &s.MinTTL },
	} {
		t.take("dns_config.soa."+name, secondsKey(func(c *Config) *uint32 { return at(&c.DNS.SOA) }))
	}
	t.take("dns_config.node_ttl", durationKey(func(c *Config) *duration { return &c.DNS.NodeTTL }))
	t.take("dns_config.recursor_timeout", durationKey(func(c *Config) *duration { return &c.DNS.RecursorTimeout }))
	t.take("dns_config.recursor_strategy", textKey(func(c *Config) *string { return &c.DNS.RecursorStrategy }))
	t.take("dns_config.service_ttl", readServiceTTL)
	t.take("dns_config.enable_additional_node_meta_txt", boolKey(func(c *Config) *bool { return &c.DNS.NodeMetaTXT }))
	t.judge(ignored, "", "dns_config.allow_stale max_stale use_cache cache_max_age prefer_namespace")
}

func readServiceTTL(r *reader, c *Config, v value, name string) {
	r.each(v, name, func(f field) {
		var ttl duration
		durationKey(func(*Config) *duration { return &ttl })(r, c, f.value, name+"."+f.name)
		if c.DNS.ServiceTTL == nil {
			c.DNS.ServiceTTL = map[string]duration{}
		}
		c.DNS.ServiceTTL[f.name] = ttl
	})
}
