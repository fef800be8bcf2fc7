"""Programs that run in processes of their own: analysis worker, retraining, rescoring."""
