/** Names the deployment that a request is for, where the message and the service do not. */
export const deploymentHeader = "drover-deployment";
/** Names the model that a request needs. */
export const modelHeader = "drover-model";
/** The id of a request, by which callers, logs and errors name it. */
export const requestIdHeader = "x-request-id";
/** Names the caller of the API, such as `ada@host`. */
export const authorHeader = "drover-author";
/** The token of a replica, in calls by which the controller controls it. */
export const tokenHeader = "drover-token";
/** Names the replica that answered, for the caller. */
export const replicaHeader = "drover-replica";
/**
 * Set by a replica that did nothing about a request: `busy` or `draining`. It is safe to send the
 * request to another replica.
 */
export const refusedTrailer = "drover-refused";
/** The trailer of a request that waited for a first replica: for how many milliseconds. */
export const coldStartTrailer = "drover-cold-start";
