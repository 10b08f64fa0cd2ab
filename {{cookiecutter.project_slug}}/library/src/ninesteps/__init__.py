"""SageMaker pipelines in nine steps: the library that every generated repository stands on."""
