"""The model card of a version, in the form of SageMaker's Model Cards."""
