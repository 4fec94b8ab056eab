/** What a name of Ray Serve's is here: fields with other names, or something else to do. */
type Meaning = { readonly fields: readonly string[] } | { readonly remedy: string };

const one = (field: string): Meaning => ({ fields: [field] });
const perFile = { remedy: "here each deployment is a document of the file, or an item of its list" } as const;
const ofStart = { remedy: "here it is a setting of drover start (drover start --help)" } as const;
const notNeeded = (why: string): Meaning => ({ remedy: `leave it out: ${why}` });

/**
 * The names of Ray Serve's deployment options, autoscaling config and config file that have another
 * name here. Those that differ only by a unit (`upscale_delay_s`) or by their level (`num_cpus`) are
 * found without it.
 */
export const raysNames: Readonly<Record<string, Meaning>> = {
  ray_actor_options: { fields: ["resources", "runtime_env"] },
  memory: one("resources.memory_bytes"),
  object_store_memory: notNeeded("there is no object store"),
  accelerator_type: one("resources.custom"),
  max_concurrent_queries: one("max_ongoing_requests"),
  health_check_period_s: one("health_check.period"),
  health_check_timeout_s: one("health_check.timeout"),
  graceful_shutdown_wait_loop_s: notNeeded("a replica ends as soon as it has no requests"),
  init_kwargs: one("init_args"),
  args: one("init_args"),
  func_or_class: one("program.module"),
  import_path: one("program.module.path"),
  route_prefix: notNeeded("requests name the deployment, as drover invoke NAME METHOD does"),
  max_replicas_per_node: notNeeded("replicas are placed by resources"),
  placement_group_bundles: notNeeded("a replica runs on one node, with its resources"),
  placement_group_strategy: notNeeded("a replica runs on one node, with its resources"),
  request_router_config: notNeeded("the gateway picks the replica with fewer requests in work"),
  logging_config: notNeeded("what a program prints is in drover logs NAME"),
  target_num_ongoing_requests_per_replica: one("target_ongoing_requests"),
  smoothing_factor: { fields: ["upscaling_factor", "downscaling_factor"] },
  upscale_smoothing_factor: one("upscaling_factor"),
  downscale_smoothing_factor: one("downscaling_factor"),
  aggregation_function: one("aggregation"),
  policy: notNeeded("drover simulate shows what autoscaling_config does"),
  conda: one("pip"),
  py_modules: one("working_dir"),
  deployments: perFile,
  applications: perFile,
  http_options: ofStart,
  grpc_options: ofStart,
  proxy_location: ofStart,
};
