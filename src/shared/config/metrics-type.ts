/** Content type of Prometheus' text format. */
export const metricsContentType: string = 'text/plain; version=0.0.4; charset=utf-8';
